//! Power loss and killed processes: every opening finds a committed state, never one older than what was
//! acknowledged, and an opening that is cut short as well changes nothing about that.
//!
//! `HYPRSTREAM_CRASH_SCHEDULES` says how many seeded schedules run (10,000 is the full count).

use hyprstream_storage::{Error, GridOptions, GridStore};

use crate::support::assert_sound;
use crate::support::disk::{Disk, Fault};
use crate::support::ledger::{Ledger, live};
use crate::support::random::commit;
use crate::support::{Rng, count};

pub(crate) fn options() -> GridOptions {
    GridOptions { fold_wal_above: 3000, ..GridOptions::default() }
}

pub(crate) fn open(disk: &Disk) -> Result<GridStore, Error> {
    GridStore::open_directory(disk.directory(), &options())
}

/// Commits until the process dies, which it does at a random call.
fn live_and_die(disk: &Disk, ledger: &mut Ledger, rng: &mut Rng) {
    disk.plan(1 + rng.below(80), 1, Fault::Die);
    // The opening may die too.
    let Ok(store) = open(disk) else { return };
    for _ in 0..12 {
        if rng.below(12) == 0 {
            if store.compact().is_err() {
                break;
            }
            ledger.all_durable();
        }
        if commit(&store, ledger, rng).is_err() {
            break;
        }
    }
    if !disk.is_dead() {
        disk.plan(1, 1, Fault::Die);
    }
}

fn after_crash(disk: &Disk, power: bool, rng: &mut Rng) -> Disk {
    if power { disk.after_power_loss(rng) } else { disk.after_kill() }
}

#[test]
fn every_crash_leaves_a_committed_state() {
    for seed in 0..count("HYPRSTREAM_CRASH_SCHEDULES", 3000) {
        let mut rng = Rng(seed);
        let mut disk = Disk::empty(rng.next());
        let mut ledger = Ledger::new();
        for generation in 0..3 {
            live_and_die(&disk, &mut ledger, &mut rng);
            let mut power = rng.below(3) > 0;
            disk = after_crash(&disk, power, &mut rng);
            if rng.below(2) == 0 {
                disk.plan(1 + rng.below(25), 1, Fault::Die);
                drop(open(&disk));
                let power_again = rng.below(3) > 0;
                disk = after_crash(&disk, power_again, &mut rng);
                power |= power_again;
            }
            let what = format!("seed {seed}, generation {generation}");
            let store = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            let found = live(&store, &what);
            ledger.check_opening(&found, power, &what);
            ledger.settle(found);
            assert_sound(&store);
            store.close().unwrap();
            disk = disk.after_kill();
        }
    }
}
