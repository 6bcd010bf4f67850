//! Power loss and killed processes under a trajectory log: what was flushed is there, nothing half-written is, and every
//! record has its own id.
//!
//! `HYPRSTREAM_CRASH_SCHEDULES` says how many seeded schedules run (10,000 is the full count).

use std::collections::BTreeSet;

use hyprstream_storage::{
    Error, LogPosition, Order, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions, TrajectoryRecord,
};

use crate::support::disk::{Disk, Fault};
use crate::support::{Rng, blob, count};

fn open(disk: &Disk) -> Result<TrajectoryLog, Error> {
    TrajectoryLog::open_directory(
        disk.directory(),
        &TrajectoryLogOptions { segment_bytes: 700, reached: LogPosition::BEGINNING },
    )
}

/// The only record that ever has this id.
fn record(id: u64) -> TrajectoryRecord {
    let mut rng = Rng(id);
    let len = [rng.below(40), rng.below(300), 512 + rng.below(700)][rng.below(3) as usize];
    TrajectoryRecord { id, time_ms: rng.next() >> 20, payload: blob(len as u32, id) }
}

/// What was appended and what was promised about it.
#[derive(Default)]
struct Ledger {
    next_id: u64,
    /// Appended, and not removed by retention.
    appended: BTreeSet<u64>,
    /// Those of them that no loss of power may take.
    flushed: BTreeSet<u64>,
    /// Ids of appends that failed, any of which may be there.
    doubtful: BTreeSet<u64>,
    /// Retention may have removed what is below, durably or not.
    gone_below: u64,
    /// What it removed, and a loss of power may bring back.
    removed: BTreeSet<u64>,
    /// Whether records that were not flushed may be lost and leave holes: after a loss of power or a failed sync.
    holes: bool,
    damaged: u64,
}

impl Ledger {
    fn append(&mut self, log: &TrajectoryLog, rng: &mut Rng) -> Result<(), Error> {
        let ids: Vec<u64> = (0..=rng.below(3)).map(|n| self.next_id + n).collect();
        self.next_id += ids.len() as u64;
        let records: Vec<_> = ids.iter().copied().map(record).collect();
        let appended = log.append(&records);
        if appended.is_ok() { &mut self.appended } else { &mut self.doubtful }.extend(ids);
        appended
    }

    fn flush(&mut self, log: &TrajectoryLog) -> Result<(), Error> {
        log.flush()?;
        self.flushed = self.appended.clone();
        Ok(())
    }

    fn retain(&mut self, log: &TrajectoryLog, rng: &mut Rng) -> Result<(), Error> {
        let policy = RetentionPolicy { max_bytes: Some(1500 + rng.below(2000)), max_age_ms: None };
        let retained = log.retain(&policy, 0);
        self.gone_below = log.first_id().unwrap_or(self.next_id).max(self.gone_below);
        retained.map(|_| ())
    }

    /// Compares what a log shows with what was promised, and takes that as what is there.
    fn check(&mut self, log: &TrajectoryLog, what: &str) {
        let mut outcome: Vec<_> = log.scan(0..=u64::MAX, Order::Ascending, None).unwrap().collect();
        let damaged = outcome.pop_if(|last| matches!(last, Err(Error::Corrupt { .. }))).is_some();
        let found: Vec<_> = outcome.into_iter().map(|found| found.unwrap()).collect();
        for found in &found {
            assert_eq!(*found, record(found.id), "{what}: a wrong record");
        }
        let ids: BTreeSet<u64> = found.iter().map(|record| record.id).collect();
        assert_eq!(ids.len(), found.len(), "{what}: an id comes twice");
        let known = [&self.appended, &self.doubtful, &self.removed];
        let unknown = ids.iter().find(|id| known.iter().all(|known| !known.contains(id)));
        assert_eq!(unknown, None, "{what}: a record that was never appended, or was gone");
        let promised = if self.holes { &self.flushed } else { &self.appended };
        let lost = promised.range(self.gone_below..).find(|id| !ids.contains(id));
        assert_eq!(lost, None, "{what}: a record is lost");
        assert!(self.holes || !damaged, "{what}: damage without cause");
        assert_eq!(damaged, !log.verify().unwrap().damages.is_empty(), "{what}");
        assert_eq!(log.set_aside().len(), 0, "{what}");
        assert!(log.last_id() >= ids.last().copied(), "{what}");
        self.damaged += u64::from(damaged);
        self.flushed.retain(|id| ids.contains(id));
        let removed = self.appended.range(..self.gone_below).filter(|id| !ids.contains(id));
        self.removed.extend(removed);
        self.gone_below = self.gone_below.min(log.first_id().unwrap_or(self.next_id));
        self.appended = ids;
        self.doubtful.clear();
    }
}

/// Appends, flushes and removes until the process dies.
fn live(disk: &Disk, ledger: &mut Ledger, rng: &mut Rng) {
    disk.plan(1 + rng.below(90), 1, Fault::Die);
    let Ok(mut log) = open(disk) else { return };
    for _ in 0..25 {
        let done = match rng.below(12) {
            0..=7 => ledger.append(&log, rng),
            8..=9 => ledger.flush(&log),
            10 => ledger.retain(&log, rng),
            _ => {
                // Closed and opened again.
                drop(log);
                match open(disk) {
                    Ok(opened) => log = opened,
                    Err(_) => return,
                }
                Ok(())
            }
        };
        if done.is_err() {
            return;
        }
    }
    disk.plan(1, 1, Fault::Die);
}

#[test]
fn every_crash_leaves_what_was_flushed_and_no_half_of_anything() {
    let (mut schedules_with_damage, mut losses) = (0, 0);
    let schedules = count("HYPRSTREAM_CRASH_SCHEDULES", 3000);
    for seed in 0..schedules {
        let mut rng = Rng(seed);
        let mut disk = Disk::empty(rng.next());
        let mut ledger = Ledger::default();
        for generation in 0..4 {
            live(&disk, &mut ledger, &mut rng);
            for again in 0..=rng.below(2) {
                if again > 0 {
                    // An opening that is cut short as well changes nothing.
                    disk.plan(1 + rng.below(12), 1, Fault::Die);
                    drop(open(&disk));
                }
                let power = rng.below(3) > 0;
                ledger.holes |= power;
                losses += u64::from(power);
                disk = if power { disk.after_power_loss(&mut rng) } else { disk.after_kill() };
            }
            let what = format!("seed {seed}, generation {generation}");
            let log = open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            ledger.check(&log, &what);
            if ledger.damaged == 0 {
                ledger.holes = false;
            }
        }
        schedules_with_damage += u64::from(ledger.damaged > 0);
    }
    println!(
        "{schedules} schedules, {losses} losses of power: {schedules_with_damage} schedules reported holes among \
         records that were not flushed"
    );
}

#[test]
fn a_flush_that_succeeds_after_failed_syncs_and_full_disks_keeps_its_promise() {
    let (mut failed, mut succeeded) = (0, 0);
    for seed in 0..count("HYPRSTREAM_CRASH_SCHEDULES", 3000) {
        let mut rng = Rng(seed);
        let disk = Disk::empty(rng.next());
        let mut ledger = Ledger { holes: true, ..Ledger::default() };
        let log = open(&disk).unwrap();
        for _ in 0..40 {
            if rng.below(6) == 0 {
                let fault =
                    [Fault::SyncFails, Fault::SyncFails, Fault::Full, Fault::Error][rng.below(4) as usize];
                disk.plan(1 + rng.below(6), 1 + rng.below(2), fault);
            }
            let done = match rng.below(10) {
                0..=6 => ledger.append(&log, &mut rng),
                7..=8 => {
                    let flushed = ledger.flush(&log);
                    succeeded += u64::from(flushed.is_ok());
                    flushed
                }
                _ => ledger.retain(&log, &mut rng),
            };
            failed += u64::from(done.is_err());
        }
        drop(log);
        disk.heal();
        let after = if rng.below(2) == 0 { disk.after_kill() } else { disk.after_power_loss(&mut rng) };
        let what = format!("seed {seed}");
        let log = open(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
        ledger.check(&log, &what);
    }
    println!("{failed} calls failed, {succeeded} flushes succeeded");
    assert!(failed > 0 && succeeded > 0);
}
