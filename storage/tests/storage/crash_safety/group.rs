//! Group commit: threads that commit at the same time share syncs, and each is told the truth about its own commit.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use hyprstream_storage::{DataType, Durability, Error, GridStore, MatrixPath, Shape, UpdateBatch};

use super::crashes::open;
use crate::support::disk::{Disk, Fault};
use crate::support::{Rng, assert_sound, count};

const THREADS: usize = 6;
const PENDING: u8 = 0;
const ACKNOWLEDGED: u8 = 1;
const REFUSED: u8 = 2;

/// Commit number *n* of a thread sets the element in row *n* of its column.
fn path() -> MatrixPath {
    MatrixPath::new("support", "1", 0, "q_proj", "A")
}

fn new_store(disk: &Disk, commits: usize) -> GridStore {
    let store = open(disk).unwrap();
    let mut write = store.begin_write().unwrap();
    write.put_empty_matrix(&path(), Shape::new(commits, THREADS), DataType::F32).unwrap();
    write.commit(Durability::Immediate).unwrap();
    store
}

/// What became of every commit, by thread and number.
struct Outcomes(Vec<Vec<AtomicU8>>);

impl Outcomes {
    fn new(commits: usize) -> Self {
        let column = || (0..commits).map(|_| AtomicU8::new(PENDING)).collect();
        Self((0..THREADS).map(|_| column()).collect())
    }

    fn now(&self) -> Vec<Vec<u8>> {
        let column = |column: &Vec<AtomicU8>| column.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        self.0.iter().map(column).collect()
    }
}

/// Every other thread goes by the tree now and then.
fn commit(store: &GridStore, thread: usize, number: usize) -> Result<(), Error> {
    let mut batch = UpdateBatch::new();
    batch.set(&path(), &[(number as u32, thread as u32, 1.0)]);
    if thread.is_multiple_of(2) && number % 16 == 15 {
        let mut write = store.begin_write()?;
        write.apply(&batch)?;
        return write.commit(Durability::Immediate);
    }
    store.update(&batch, Durability::Immediate)
}

/// Commits from all threads while `meanwhile` runs again and again.
fn commit_from_all(store: &GridStore, outcomes: &Outcomes, mut meanwhile: impl FnMut()) {
    let running = AtomicU64::new(THREADS as u64);
    std::thread::scope(|scope| {
        for (thread, column) in outcomes.0.iter().enumerate() {
            let running = &running;
            scope.spawn(move || {
                for (number, outcome) in column.iter().enumerate() {
                    match commit(store, thread, number) {
                        Ok(()) => outcome.store(ACKNOWLEDGED, Ordering::SeqCst),
                        Err(Error::OutcomeUnknown { .. }) => {}
                        Err(_) => outcome.store(REFUSED, Ordering::SeqCst),
                    }
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while running.load(Ordering::SeqCst) > 0 {
            meanwhile();
        }
    });
}

fn check(store: &GridStore, then: &[Vec<u8>], what: &str) {
    let snapshot = store.snapshot();
    let matrix = snapshot.matrix(&path()).unwrap().unwrap();
    for (thread, column) in then.iter().enumerate() {
        for (number, outcome) in column.iter().enumerate() {
            let is_there = matrix.get(number, thread).unwrap() != 0.0;
            let name = format!("{what}: commit {number} of thread {thread}");
            assert!(*outcome != ACKNOWLEDGED || is_there, "{name} was acknowledged and is lost");
            assert!(*outcome != REFUSED || !is_there, "{name} was refused and is there");
        }
    }
}

/// What was known before a crash at this moment holds after it.
fn crash_now(disk: &Disk, outcomes: &Outcomes, rng: &mut Rng) {
    let then = outcomes.now();
    let power = rng.below(2) == 0;
    let after = if power { disk.after_power_loss(rng) } else { disk.after_kill() };
    check(&open(&after).unwrap(), &then, &format!("power {power}"));
}

#[test]
fn threads_that_commit_together_share_syncs_and_lose_nothing() {
    let commits = count("HYPRSTREAM_GROUP_COMMITS", 100) as usize;
    let disk = Disk::empty(1);
    let store = new_store(&disk, commits);
    disk.set_sync_time(Duration::from_millis(4));
    let (outcomes, before) = (Outcomes::new(commits), disk.syncs());
    let (mut rng, mut crashes) = (Rng(1), 0);
    commit_from_all(&store, &outcomes, || {
        crash_now(&disk, &outcomes, &mut rng);
        crashes += 1;
    });
    let all = (THREADS * commits) as u64;
    let syncs = disk.syncs() - before;
    println!("{all} commits of {THREADS} threads took {syncs} syncs; {crashes} crashes were looked at");
    assert!(outcomes.now().iter().flatten().all(|outcome| *outcome == ACKNOWLEDGED));
    assert!(syncs * 2 <= all, "{syncs} syncs for {all} commits: they are not shared");
    assert!(crashes > 0);
    check(&store, &outcomes.now(), "at the end");
    assert_sound(&store);
}

#[test]
fn threads_whose_shared_sync_fails_all_get_an_error_and_nothing_returns() {
    let commits = count("HYPRSTREAM_GROUP_FAULTS", 1000) as usize;
    let disk = Disk::empty(2);
    let store = new_store(&disk, commits);
    disk.set_sync_time(Duration::from_micros(300));
    let outcomes = Outcomes::new(commits);
    let mut rng = Rng(2);
    commit_from_all(&store, &outcomes, || {
        crash_now(&disk, &outcomes, &mut rng);
        disk.plan(1 + rng.below(30), 1 + rng.below(2), Fault::SyncFails);
    });
    disk.heal();
    let met = disk.faults_met();
    let refused = outcomes.now().iter().flatten().filter(|n| **n == REFUSED).count();
    println!("{met} syncs failed, {refused} commits were refused");
    assert!(met > 0 && refused > 0);
    store.sync().unwrap();
    check(&store, &outcomes.now(), "at the end");
    assert_sound(&store);
    crash_now(&disk, &outcomes, &mut rng);
}

#[test]
fn a_thread_that_commits_alone_waits_for_no_other() {
    let disk = Disk::empty(3);
    let store = new_store(&disk, 4);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..4 {
                commit(&store, 1, number).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
    });
    assert!(done.into_inner());
}
