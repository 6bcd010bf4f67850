//! Power loss, killed processes, failing syncs and full disks: every opening finds a committed state, never one
//! older than what was acknowledged.
//!
//! `HYPRSTREAM_CRASH_SCHEDULES` says how many seeded schedules run (10,000 is the full count).

use crate::support::disk::{Disk, Fault};
use crate::support::{Model, Op, Rng, assert_sound, batch_of, edits, matrix_path};
use hyprstream_storage::backend::MemoryBackend;
use hyprstream_storage::{Durability, Error, GridOptions, GridStore};

fn schedules(default: u64) -> u64 {
    std::env::var("HYPRSTREAM_CRASH_SCHEDULES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

fn options() -> GridOptions {
    GridOptions {
        checkpoint_wal_bytes: 3000,
        ..GridOptions::default()
    }
}

fn empty_store() -> [Vec<u8>; 2] {
    let data = MemoryBackend::new("data", Vec::new());
    GridStore::create_backend(&data).unwrap();
    [data.contents(), Vec::new()]
}

fn random_op(rng: &mut Rng) -> Op {
    let (version, matrix) = (rng.below(6) as u8, rng.below(5) as u8);
    match rng.below(19) {
        0..=5 => {
            // Shapes of one to a few leaves keep a schedule short.
            let shape = [0, 2, 3, 6, 7][rng.below(5) as usize];
            Op::Put {
                version,
                matrix,
                shape,
                dtype: rng.below(3) as u8,
                density: rng.below(6) as u8,
                seed: rng.next(),
            }
        }
        6 => Op::Remove { version, matrix },
        7..=8 => Op::Update {
            version,
            matrix,
            count: 1 + rng.below(60) as u16,
            seed: rng.next(),
        },
        9 => Op::Publish { version },
        10..=11 => Op::Branch {
            from: version,
            to: rng.below(6) as u8,
        },
        12 => Op::Drop { version },
        13 => Op::Tag {
            version,
            tag: rng.below(3) as u8,
        },
        14..=15 => Op::Perturb {
            version,
            matrix,
            seed: rng.next(),
        },
        16 => Op::Recode {
            version,
            how: rng.below(3) as u8,
        },
        17 => Op::PutMetadata {
            key: rng.below(5) as u8,
            len: rng.below(3000) as u32,
            seed: rng.next(),
        },
        _ => Op::RemoveMetadata {
            key: rng.below(5) as u8,
        },
    }
}

/// What was committed, in order, and how far back each kind of crash may go.
struct History {
    states: Vec<Model>,
    /// The newest state that survives power loss, and the newest that survives the end of the process.
    durable: usize,
    eventual: usize,
}

impl History {
    fn newest(&self) -> &Model {
        self.states.last().unwrap()
    }

    fn push(&mut self, state: Model) {
        self.states.push(state);
    }

    fn acknowledge(&mut self, durability: Durability) {
        let newest = self.states.len() - 1;
        match durability {
            Durability::None => {}
            Durability::Eventual => self.eventual = newest,
            Durability::Immediate => (self.eventual, self.durable) = (newest, newest),
        }
    }

    /// The found state must be one of those from `oldest` on; it is the only one from now on.
    fn settle(&mut self, found: &Model, oldest: usize, what: &str) {
        let at = self.states.iter().skip(oldest).rposition(|state| state == found);
        assert!(
            at.is_some(),
            "{what}: found a state that is none of {oldest}..{}",
            self.states.len()
        );
        self.states = vec![found.clone()];
        (self.durable, self.eventual) = (0, 0);
    }
}

fn random_durability(rng: &mut Rng) -> Durability {
    [
        Durability::None,
        Durability::Eventual,
        Durability::Immediate,
        Durability::Immediate,
    ][rng.below(4) as usize]
}

/// One commit, which pushes its state before it is attempted: a crash in it may leave either.
fn commit(store: &GridStore, history: &mut History, rng: &mut Rng) -> Result<(), Error> {
    let durability = random_durability(rng);
    let mut model = history.newest().clone();
    if rng.below(2) == 0 {
        let (version, matrix) = (rng.below(6) as u8, rng.below(5) as u8);
        let shape = model.matrix(version, matrix).map(|m| m.shape);
        if let Some(shape) = shape.filter(|_| model.is_draft(version)) {
            let edits = edits(shape, 1 + rng.below(40) as u16, rng.next());
            model.edit(version, matrix, &edits);
            history.push(model);
            store.update(&batch_of(&matrix_path(version, matrix), &edits), durability)?;
            history.acknowledge(durability);
        }
        return Ok(());
    }
    let mut write = store.begin_write()?;
    for _ in 0..=rng.below(4) {
        model.apply(&random_op(rng), &mut write)?;
    }
    history.push(model);
    write.commit(durability)?;
    history.acknowledge(durability);
    Ok(())
}

fn open(disk: &Disk) -> Result<GridStore, Error> {
    GridStore::open_backends(disk.backend(0), disk.backend(1), &options())
}

#[test]
fn every_crash_leaves_a_committed_state() {
    for seed in 0..schedules(300) {
        let mut rng = Rng(seed);
        let mut contents = empty_store();
        let mut history = History {
            states: vec![Model::default()],
            durable: 0,
            eventual: 0,
        };
        for generation in 0..3 {
            let disk = Disk::new(contents.clone(), rng.next());
            disk.plan(1 + rng.below(60), Fault::Die);
            // The opening may die too, and then changes nothing.
            if let Ok(store) = open(&disk) {
                for _ in 0..12 {
                    if commit(&store, &mut history, &mut rng).is_err() {
                        break;
                    }
                }
                if !disk.is_dead() {
                    disk.plan(1, Fault::Die);
                }
            }
            let power = rng.below(3) > 0;
            contents = if power {
                disk.after_power_loss(&mut rng)
            } else {
                disk.after_kill()
            };
            let oldest = if power { history.durable } else { history.eventual };
            let disk = Disk::new(contents.clone(), 0);
            let what = format!("seed {seed}, generation {generation}, power {power}");
            let store = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            let found = Model::read(&store.snapshot()).unwrap_or_else(|error| panic!("{what}: {error}"));
            history.settle(&found, oldest, &what);
            assert_sound(&store);
            store.close().unwrap();
            contents = disk.after_kill();
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on() {
    for seed in 0..schedules(300) / 3 {
        let mut rng = Rng(seed ^ 0xf00d);
        let disk = Disk::new(empty_store(), rng.next());
        let store = open(&disk).unwrap();
        let mut history = History {
            states: vec![Model::default()],
            durable: 0,
            eventual: 0,
        };
        disk.plan(1 + rng.below(40), Fault::Full);
        for _ in 0..20 {
            let before = history.states.len();
            let outcome = commit(&store, &mut history, &mut rng);
            if let Err(error) = &outcome {
                assert!(error.is_storage_full(), "seed {seed}: {error}");
                history.states.truncate(before);
            }
            let found = Model::read(&store.snapshot()).unwrap();
            history.newest().assert_same(&found);
        }
        assert_sound(&store);
        disk.heal();
        store.sync().unwrap();
        let contents = disk.after_power_loss(&mut rng);
        let store = open(&Disk::new(contents, 0)).unwrap();
        history
            .newest()
            .assert_same(&Model::read(&store.snapshot()).unwrap());
    }
}

#[test]
fn a_failed_sync_is_reported_and_what_was_acknowledged_stays() {
    for seed in 0..schedules(300) / 3 {
        let mut rng = Rng(seed ^ 0xbeef);
        let disk = Disk::new(empty_store(), rng.next());
        let store = open(&disk).unwrap();
        let mut history = History {
            states: vec![Model::default()],
            durable: 0,
            eventual: 0,
        };
        disk.plan(1 + rng.below(40), Fault::SyncFails);
        for step in 0..20 {
            let what = format!("seed {seed}, step {step}");
            if commit(&store, &mut history, &mut rng).is_err() {
                assert!(disk.fault_met(), "{what}");
                let found = Model::read(&store.snapshot()).unwrap_or_else(|error| panic!("{what}: {error}"));
                let oldest = history.durable;
                history.settle(&found, oldest, &what);
            }
            history
                .newest()
                .assert_same(&Model::read(&store.snapshot()).unwrap());
        }
        disk.heal();
        store.sync().unwrap();
        let contents = disk.after_power_loss(&mut rng);
        let store = open(&Disk::new(contents, 0)).unwrap();
        history
            .newest()
            .assert_same(&Model::read(&store.snapshot()).unwrap());
        assert_sound(&store);
    }
}
