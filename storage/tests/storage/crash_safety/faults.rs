//! I/O errors, failing syncs and full disks at every call: the caller is told, what was acknowledged stays, what was
//! refused does not come back, and the store goes on.
//!
//! `HYPRSTREAM_FAULTS` says at every how many-th call of the workload a fault is tried (1 is the full count),
//! `HYPRSTREAM_CRASH_SCHEDULES` how many random workloads run (10,000 is the full count).

use hyprstream_storage::{Durability, Error, GridStore, Snapshot};

use super::crashes::open;
use crate::support::disk::{Disk, Fault};
use crate::support::ledger::{Ledger, live};
use crate::support::random::{commit, update, write};
use crate::support::{Model, Op, Rng, assert_sound, count};

/// What a fault does and for how long.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    fault: Fault,
    from: u64,
    lasting: u64,
    seed: u64,
}

/// What a store says that must be opened again.
const CLOSED: &str = "the store takes no more writes until it is opened again";
/// Until somebody makes space.
const UNTIL_HEALED: u64 = u64::MAX;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Op>, Durability),
    Update((u8, u8), u16, Durability),
    Sync,
    Hold,
    LetGo,
    Compact,
    Reopen,
}

fn put(matrix: u8, dtype: u8, density: u8) -> Op {
    Op::Put {
        version: 0,
        matrix,
        shape: [6, 2, 3][usize::from(matrix % 3)],
        dtype,
        density,
        seed: u64::from(matrix),
    }
}

/// Sets, replacements, checkpoints, snapshots, drops and a compaction, at every durability.
fn workload() -> Vec<Step> {
    use Durability::{Eventual, Immediate, None};
    let perturb = |seed| Op::Perturb { version: 0, matrix: 0, seed };
    vec![
        Step::Write(vec![put(0, 0, 0), put(1, 1, 1), put(2, 1, 2)], Immediate),
        Step::Update((0, 0), 20, Immediate),
        Step::Update((0, 1), 5, Eventual),
        Step::Update((0, 2), 9, Immediate),
        Step::Hold,
        Step::Write(vec![perturb(1)], Eventual),
        Step::Update((0, 0), 8, None),
        Step::Update((0, 0), 8, Eventual),
        Step::Sync,
        Step::Update((0, 1), 30, Eventual),
        Step::Update((0, 1), 30, Immediate),
        Step::Write(vec![Op::Publish { version: 0 }, Op::Branch { from: 0, to: 1 }], Immediate),
        Step::Write(vec![Op::Branch { from: 0, to: 2 }], Eventual),
        Step::Write(vec![Op::Drop { version: 1 }], Eventual),
        Step::LetGo,
        Step::Update((2, 2), 200, Immediate),
        Step::Update((2, 2), 60, Immediate),
        Step::Compact,
        Step::Update((2, 1), 10, Immediate),
        Step::Write(vec![Op::Drop { version: 0 }], Immediate),
        Step::Reopen,
        Step::Update((2, 0), 3, Immediate),
    ]
}

/// A store under a fault, and what it should show.
struct Run {
    disk: Disk,
    store: Option<GridStore>,
    ledger: Ledger,
    held: Vec<(Snapshot, Model)>,
    /// A failure could not be taken back yet, so the newest state may change until the next write succeeds.
    unsettled: bool,
    failures: u64,
    faults_seen: u64,
    rng: Rng,
    what: String,
}

impl Run {
    fn new(scenario: Scenario) -> Self {
        let mut rng = Rng(scenario.seed);
        let disk = Disk::empty(rng.next());
        disk.plan(scenario.from, scenario.lasting, scenario.fault);
        Self {
            disk,
            store: None,
            ledger: Ledger::new(),
            held: Vec::new(),
            unsettled: false,
            failures: 0,
            faults_seen: 0,
            rng,
            what: format!("{scenario:?}"),
        }
    }

    /// Every error is a new fault's, but after a compaction whose new name may not last. After some of them space returns.
    fn failed(&mut self, error: &Error) {
        let met = self.disk.faults_met();
        assert!(
            met > self.faults_seen || error.to_string().contains(CLOSED),
            "{}: no call failed, and yet {error}",
            self.what
        );
        self.faults_seen = met;
        self.failures += 1;
        if self.failures >= 3 && self.failures > self.rng.below(6) {
            self.disk.heal();
        }
    }

    fn open(&mut self) {
        while self.store.is_none() {
            match open(&self.disk) {
                Ok(store) => {
                    let found = self.disk.spare(|| live(&store, &self.what));
                    self.ledger.check_opening(&found, false, &self.what);
                    self.ledger.settle(found);
                    self.unsettled = false;
                    self.store = Some(store);
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        self.open();
        let Some(store) = self.store.as_ref() else { unreachable!("it was opened") };
        let ledger = &mut self.ledger;
        match step {
            Step::Write(ops, durability) => write(store, ledger, ops, *durability),
            Step::Update(matrix, count, durability) => {
                update(store, ledger, *matrix, *count, self.rng.next(), *durability)
            }
            Step::Sync => store.sync().map(|()| ledger.all_durable()),
            Step::Compact => store.compact().map(|_| ledger.all_durable()),
            Step::Hold => {
                self.held.push((store.snapshot(), ledger.newest().clone()));
                Ok(())
            }
            Step::LetGo => {
                self.held.clear();
                Ok(())
            }
            Step::Reopen => {
                self.held.clear();
                let store = self.store.take();
                let closed = store.map_or(Ok(()), GridStore::close);
                if closed.is_ok() {
                    ledger.all_durable();
                }
                closed
            }
        }
    }

    /// One step, and a look at everything that it may have broken.
    fn run(&mut self, step: &Step) {
        if self.unsettled && !self.settles() {
            return;
        }
        if let Err(error) = self.step(step) {
            self.failed(&error);
            self.after(&error);
        } else if let Some(store) = &self.store {
            let shown = self.disk.spare(|| live(store, &self.what));
            self.ledger.newest().assert_same(&shown);
        }
        for (snapshot, then) in &self.held {
            // After a failed sync its pages may be lost; what is read is right.
            if let Ok(found) = self.disk.spare(|| Model::read(snapshot)) {
                then.assert_same(&found);
            }
        }
    }

    /// Whether the store could be settled, which every write tries.
    fn settles(&mut self) -> bool {
        let Some(store) = &self.store else { return true };
        if let Err(error) = store.sync() {
            self.failed(&error);
            return false;
        }
        let shown = self.disk.spare(|| live(store, &self.what));
        self.ledger.went_back_to(&shown, &self.what);
        self.ledger.all_durable();
        self.unsettled = false;
        true
    }

    /// After an error the live store shows what was acknowledged, and so would an opening after a crash.
    fn after(&mut self, error: &Error) {
        let what = format!("{} after {error}", self.what);
        let Some(store) = &self.store else { return };
        if matches!(error, Error::OutcomeUnknown { .. }) {
            self.unsettled = true;
            self.ledger.may_go_back();
        } else {
            let shown = self.disk.spare(|| live(store, &what));
            self.ledger.refuse();
            self.ledger.went_back_to(&shown, &what);
        }
        self.look_at_crashes(&what);
        if error.to_string().contains(CLOSED) {
            self.store = None;
        }
    }

    fn look_at_crashes(&mut self, what: &str) {
        for power in [false, true] {
            let disk = if power { self.disk.after_power_loss(&mut self.rng) } else { self.disk.after_kill() };
            let store = open(&disk).unwrap_or_else(|error| panic!("{what}: {error} (power {power})"));
            self.ledger.check_opening(&live(&store, what), power, what);
        }
    }

    /// Once nothing fails any more, the store takes writes, and they are durable.
    fn finish(mut self) {
        self.disk.heal();
        if !self.unsettled || self.settles() {
            self.run(&Step::Sync);
        }
        for step in [
            Step::Write(vec![put(4, 0, 1)], Durability::Immediate),
            Step::Write(vec![Op::Drop { version: 3 }], Durability::Immediate),
        ] {
            self.step(&step).unwrap_or_else(|error| panic!("{}: {error}", self.what));
        }
        if let Some(store) = &self.store {
            assert_sound(store);
        }
        self.look_at_crashes(&self.what.clone());
    }
}

fn run(scenario: Scenario, steps: &[Step]) {
    let mut run = Run::new(scenario);
    for step in steps {
        run.run(step);
    }
    run.finish();
}

/// How many calls and reads the workload makes when nothing fails.
fn calls_of(steps: &[Step]) -> (u64, u64) {
    let mut run = Run::new(Scenario { fault: Fault::Error, from: u64::MAX / 2, lasting: 0, seed: 0 });
    for step in steps {
        run.run(step);
    }
    run.disk.calls()
}

fn at_every_call(fault: Fault, lasting: &[u64]) {
    let steps = workload();
    let (calls, reads) = calls_of(&steps);
    let calls = if fault == Fault::ReadFails { reads } else { calls };
    let every = count("HYPRSTREAM_FAULTS", 5) as usize;
    for lasting in lasting {
        for from in (1 + lasting % every as u64..=calls).step_by(every) {
            let seed = from << 8 | lasting & 0xff;
            run(Scenario { fault, from, lasting: *lasting, seed }, &steps);
        }
    }
}

#[test]
fn a_call_that_fails_once_or_a_few_times_costs_one_commit_and_nothing_else() {
    at_every_call(Fault::Error, &[1, 2, 3, 7]);
}

#[test]
fn a_read_that_fails_costs_what_needed_it_and_nothing_else() {
    at_every_call(Fault::ReadFails, &[1, 5]);
}

#[test]
fn a_sync_that_fails_is_reported_and_what_was_acknowledged_stays() {
    at_every_call(Fault::SyncFails, &[1, 2, 3, 4]);
}

#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on_once_space_returns() {
    at_every_call(Fault::Full, &[1, 4, UNTIL_HEALED]);
    at_every_call(Fault::FullAtSync, &[1, 4, UNTIL_HEALED]);
}

#[test]
fn random_workloads_survive_random_faults() {
    for seed in 0..count("HYPRSTREAM_CRASH_SCHEDULES", 300) {
        let mut rng = Rng(seed ^ 0xf00d);
        let fault = [Fault::Error, Fault::SyncFails, Fault::Full, Fault::FullAtSync, Fault::ReadFails]
            [rng.below(5) as usize];
        let mut run = Run::new(Scenario {
            fault,
            from: 10 + rng.below(90),
            lasting: [1, 2, 5, 20][rng.below(4) as usize],
            seed,
        });
        for _ in 0..20 {
            run.random_step();
        }
        run.finish();
    }
}

impl Run {
    fn random_step(&mut self) {
        if self.unsettled && !self.settles() {
            return;
        }
        self.open();
        let Some(store) = self.store.as_ref() else { unreachable!("it was opened") };
        match commit(store, &mut self.ledger, &mut self.rng) {
            Ok(()) => {
                let shown = self.disk.spare(|| live(store, &self.what));
                self.ledger.newest().assert_same(&shown);
            }
            Err(error) => {
                self.failed(&error);
                self.after(&error);
            }
        }
    }
}
