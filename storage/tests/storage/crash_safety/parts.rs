//! Immutable files and the grid whose records name them: power loss, killed processes and a disk that fails. After every
//! opening each acknowledged part is there and whole, no record names a file that is missing or half written, and files
//! that no record names are at most too many.
//!
//! `HYPRSTREAM_CRASH_SCHEDULES` says how many seeded schedules run (10,000 is the full count).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use hyprstream_storage::{Durability, Error, GridStore, PartDirectory, PartRecord};

use super::crashes::open as open_grid;
use crate::support::disk::{Disk, Fault};
use crate::support::{Rng, assert_sound, blob, count};

type Key = Vec<u8>;

/// What the parts of all tables hold.
type Contents = BTreeMap<Key, Vec<u8>>;

fn key(table: u64, number: u64) -> Key {
    format!("table/t{table}\0part/{number:016x}").into_bytes()
}

/// What was acknowledged, and what may be there instead after a crash.
#[derive(Default)]
struct Ledger {
    acknowledged: Contents,
    attempted: Vec<Contents>,
    next_number: u64,
}

impl Ledger {
    fn keys_of(&self, table: u64) -> Vec<Key> {
        let (from, to) = (key(table, 0), key(table, u64::MAX));
        self.acknowledged.range(from..=to).map(|(key, _)| key.clone()).collect()
    }

    fn next_key(&mut self, table: u64) -> Key {
        self.next_number += 1;
        key(table, self.next_number)
    }

    fn accept(&mut self) {
        self.acknowledged = self.attempted.pop().unwrap();
        self.attempted.clear();
    }

    /// Compares what was found after a crash, and goes on from there.
    fn settle(&mut self, found: Contents, what: &str) {
        let is_known = found == self.acknowledged || self.attempted.contains(&found);
        let names = |contents: &Contents| contents.keys().cloned().collect::<BTreeSet<Key>>();
        let lost = names(&self.acknowledged).difference(&names(&found)).count();
        assert!(
            is_known,
            "{what}: neither acknowledged nor attempted; {lost} of the acknowledged keys are lost"
        );
        self.acknowledged = found;
        self.attempted.clear();
    }
}

/// What does to the two directories what tables do.
struct Tables {
    store: GridStore,
    parts: Arc<PartDirectory>,
}

impl Tables {
    fn open(disk: &Disk) -> Result<Self, Error> {
        let store = open_grid(&disk.subdirectory("grid"))?;
        let parts = PartDirectory::open_directory(disk.subdirectory("tables").directory(), "parquet")?;
        Ok(Self { store, parts: Arc::new(parts) })
    }

    fn records(&self) -> Result<BTreeMap<Key, PartRecord>, Error> {
        let entries = self.store.snapshot().scan_metadata(b"table/")?.into_iter();
        entries.map(|(key, record)| Ok((key, PartRecord::decode(&record)?))).collect()
    }

    fn write_part(&self, content: &[u8]) -> Result<PartRecord, Error> {
        let mut writer = self.parts.begin()?;
        for piece in content.chunks(30_000) {
            if writer.write_all(piece).is_err() {
                break;
            }
        }
        writer.finish()
    }

    /// One change of tables: the files first, then the commit, then the removal of what is not referred to any more.
    fn change(&self, ledger: &mut Ledger, retired: &[Key], added: &[(Key, Vec<u8>)]) -> Result<(), Error> {
        let mut records = Vec::new();
        for (key, content) in added {
            records.push((key, self.write_part(content)?));
        }
        let retired_files = self.commit(ledger, retired, added, &records);
        match &retired_files {
            // Whether its records are there after the next opening, nobody knows.
            Err(Error::OutcomeUnknown { .. }) => {}
            Err(_) => records.iter().for_each(|(_, record)| drop(self.parts.remove(&record.name))),
            Ok(files) => files.iter().try_for_each(|name| self.parts.remove(name))?,
        }
        retired_files.map(drop)
    }

    /// Commits records and returns the files that nothing refers to any more.
    fn commit(
        &self,
        ledger: &mut Ledger,
        retired: &[Key],
        added: &[(Key, Vec<u8>)],
        records: &[(&Key, PartRecord)],
    ) -> Result<Vec<String>, Error> {
        let mut write = self.store.begin_write()?;
        let mut after = ledger.acknowledged.clone();
        let mut files = Vec::new();
        for key in retired {
            let record = PartRecord::decode(&write.metadata(key)?.expect("an acknowledged record"))?;
            write.remove_metadata(key)?;
            after.remove(key);
            files.push(record.name);
        }
        for (key, record) in records {
            write.put_metadata(key, &record.encode())?;
        }
        after.extend(added.iter().cloned());
        ledger.attempted.push(after);
        let committed = write.commit(Durability::Immediate);
        match committed {
            Ok(()) => ledger.accept(),
            Err(Error::OutcomeUnknown { .. }) => {}
            Err(_) => drop(ledger.attempted.pop()),
        }
        committed.map(|()| files)
    }

    fn step(&self, ledger: &mut Ledger, rng: &mut Rng) -> Result<(), Error> {
        let table = rng.below(3);
        let keys = ledger.keys_of(table);
        match rng.below(12) {
            // INSERT.
            0..=4 => {
                let key = ledger.next_key(table);
                self.change(ledger, &[], &[(key, content(rng))])
            }
            // CREATE OR REPLACE TABLE.
            5 => {
                let added: Vec<_> =
                    (0..=rng.below(3)).map(|_| (ledger.next_key(table), content(rng))).collect();
                self.change(ledger, &keys, &added)
            }
            // DELETE and UPDATE, and the merge of parts: the new one takes the lowest number.
            6..=8 if !keys.is_empty() => {
                let merged = &keys[..=rng.below(keys.len() as u64) as usize];
                let added = (rng.below(4) > 0).then(|| (merged[0].clone(), content(rng)));
                self.change(ledger, merged, added.as_slice())
            }
            // DROP TABLE, while a backup is made or not.
            9 if !keys.is_empty() => {
                let _hold = (rng.below(2) == 0).then(|| self.parts.hold());
                self.change(ledger, &keys, &[])
            }
            // A statement that fails halfway.
            10 => {
                let mut writer = self.parts.begin()?;
                drop(writer.write_all(&content(rng)));
                Ok(())
            }
            11 => self.store.compact().map(drop),
            _ => Ok(()),
        }
    }

    /// Removes what no record names, as is done after a start.
    fn remove_unreferenced(&self) -> Result<(), Error> {
        let records = self.records()?;
        let known: BTreeSet<&str> = records.values().map(|record| record.name.as_str()).collect();
        let names = self.parts.names()?;
        names
            .iter()
            .filter(|name| !known.contains(name.as_str()))
            .try_for_each(|name| self.parts.remove(name))
    }

    /// What is stored, each byte of it checked; and how many files no record names.
    fn read_all(&self, what: &str) -> (Contents, usize) {
        let records = self.records().unwrap_or_else(|error| panic!("{what}: {error}"));
        let names: BTreeSet<String> = self.parts.names().unwrap().into_iter().collect();
        for name in &names {
            // Also what no record names: salvage believes it.
            assert_eq!(self.parts.proves_itself(name).unwrap(), Some(true), "{what}: {name} is half written");
        }
        let mut contents = Contents::new();
        for (key, record) in &records {
            let reader = self.parts.reader(record).unwrap_or_else(|error| panic!("{what}: {error}"));
            reader.verify().unwrap_or_else(|error| panic!("{what}: {error}"));
            contents.insert(key.clone(), reader.read(0..record.bytes).unwrap());
        }
        let known: BTreeSet<&String> = records.values().map(|record| &record.name).collect();
        assert_eq!(known.len(), records.len(), "{what}: two records name one file");
        (contents, names.len() - known.len())
    }
}

/// Few bytes as a rule, and now and then about a block or several.
fn content(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(16) {
        0 => 0,
        1..=2 => 65_533 + rng.below(6),
        3 => 65_536 * 2 + rng.below(30_000),
        _ => 1 + rng.below(1500),
    };
    blob(len as u32, rng.next())
}

/// Changes tables until the process dies, which it does at a random call.
fn live_and_die(disk: &Disk, ledger: &mut Ledger, rng: &mut Rng) {
    disk.plan(1 + rng.below(140), 1, Fault::Die);
    // The opening may die too.
    let Ok(tables) = Tables::open(disk) else { return };
    if rng.below(2) == 0 && tables.remove_unreferenced().is_err() {
        return;
    }
    for _ in 0..12 {
        if tables.step(ledger, rng).is_err() {
            break;
        }
    }
    if !disk.is_dead() {
        disk.plan(1, 1, Fault::Die);
    }
}

fn after_crash(disk: &Disk, rng: &mut Rng) -> Disk {
    if rng.below(3) > 0 { disk.after_power_loss(rng) } else { disk.after_kill() }
}

fn open_and_read(disk: &Disk, what: &str) -> (Tables, Contents, usize) {
    let tables = Tables::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (contents, unreferenced) = tables.read_all(what);
    (tables, contents, unreferenced)
}

#[test]
fn every_crash_leaves_the_acknowledged_parts_whole() {
    let schedules = count("HYPRSTREAM_CRASH_SCHEDULES", 3000);
    let (mut parts, mut unreferenced, mut unacknowledged) = (0, 0, 0);
    for seed in 0..schedules {
        let mut rng = Rng(seed);
        let mut disk = Disk::empty(rng.next());
        let mut ledger = Ledger::default();
        for generation in 0..3 {
            live_and_die(&disk, &mut ledger, &mut rng);
            disk = after_crash(&disk, &mut rng);
            if rng.below(2) == 0 {
                disk.plan(1 + rng.below(25), 1, Fault::Die);
                if let Ok(tables) = Tables::open(&disk) {
                    drop(tables.remove_unreferenced());
                }
                disk = after_crash(&disk, &mut rng);
            }
            let what = format!("seed {seed}, generation {generation}");
            let (tables, contents, extra) = open_and_read(&disk, &what);
            (parts, unreferenced) = (parts + contents.len(), unreferenced + extra);
            unacknowledged += u64::from(contents != ledger.acknowledged);
            ledger.settle(contents, &what);
            assert_sound(&tables.store);
            tables.store.close().unwrap();
            disk = disk.after_kill();
        }
    }
    println!(
        "{schedules} schedules: {parts} parts found after crashes, {unreferenced} files too many, \
         {unacknowledged} times a change that was under way"
    );
    assert!(parts > 0 && unreferenced > 0 && unacknowledged > 0, "the schedules tried too little");
}

#[test]
fn a_disk_that_fails_for_a_while_costs_no_acknowledged_part() {
    let schedules = count("HYPRSTREAM_CRASH_SCHEDULES", 3000) / 10;
    let (mut failed, mut unknown) = (0, 0);
    for seed in 0..schedules {
        let mut rng = Rng(seed);
        let disk = Disk::empty(rng.next());
        let mut ledger = Ledger::default();
        let tables = Tables::open(&disk).unwrap();
        for number in 0..25 {
            let what = format!("seed {seed}, step {number}");
            let faults = [Fault::Error, Fault::Full, Fault::FullAtSync, Fault::SyncFails];
            if rng.below(3) == 0 {
                let fault = faults[rng.below(4) as usize];
                disk.plan(1 + rng.below(12), 1 + rng.below(4), fault);
            }
            let done = tables.step(&mut ledger, &mut rng);
            failed += u64::from(done.is_err());
            unknown += u64::from(matches!(done, Err(Error::OutcomeUnknown { .. })));
            let (found, _) = disk.spare(|| tables.read_all(&what));
            assert!(
                found == ledger.acknowledged,
                "{what}: an acknowledged change is not there, or a refused one is"
            );
            if rng.below(6) == 0 {
                let (_, contents, _) = open_and_read(&disk.after_power_loss(&mut rng), &what);
                let is_known = contents == ledger.acknowledged || ledger.attempted.contains(&contents);
                assert!(is_known, "{what}: after the loss of power");
            }
        }
        disk.heal();
        tables.change(&mut ledger, &[], &[(key(0, u64::MAX), b"the last one".to_vec())]).unwrap();
        drop(tables);
        let what = format!("seed {seed}, at the end");
        let (_, contents, _) = open_and_read(&disk.after_power_loss(&mut rng), &what);
        ledger.settle(contents, &what);
    }
    println!("{schedules} schedules: {failed} changes failed, {unknown} of them with an unknown outcome");
    assert!(failed > 0, "the schedules tried too little");
}
