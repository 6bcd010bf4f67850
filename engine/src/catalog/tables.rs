//! The users' tables: of each its definition, and the parts that its rows are in.
//!
//! A definition is metadata of the weight store under `table/<name>\0definition`, a part under
//! `table/<name>\0part/<number>`. A part's number rises with every part that is added to any table, so that the numbers of
//! a table give the order of its rows. Each change is one durable commit, and that is the moment when it happens: the
//! files were durable before, and the files of parts that are gone are removed afterwards, by whoever knows that nobody
//! reads them any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_storage::{Error as StorageError, PartDirectory, PartRecord, Snapshot, WriteTransaction};
use parking_lot::Mutex;

use crate::adapters::store::{AdapterStore, next_number};
use crate::data_dir::{TABLES, lost_found};
use crate::error::{Error, Result};

const PREFIX: &str = "table/";
const DEFINITION: &str = "definition";
const PART: &str = "part/";
/// The longest key of the weight store's metadata has 1024 bytes.
const LONGEST_NAME: usize = 900;

/// A part to be added to a table. Its file is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// How many rows it has.
    pub rows: u64,
    /// Its file.
    pub record: PartRecord,
}

/// A part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number, which no other part of any table has, and by which the parts of a table are ordered.
    pub number: u64,
    /// How many rows it has.
    pub rows: u64,
    /// Its file.
    pub record: PartRecord,
}

/// All that is kept of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// What the SQL layer keeps of it; what the bytes mean is that layer's affair.
    pub definition: Vec<u8>,
    /// Its parts in the order of their rows.
    pub parts: Vec<StoredPart>,
}

/// The tables of a data directory.
#[derive(Debug)]
pub struct TableCatalog {
    store: AdapterStore,
    parts: Arc<PartDirectory>,
    data_dir: PathBuf,
    /// Held by a change, which reads what there is before it writes.
    changing: Mutex<()>,
}

impl TableCatalog {
    /// The tables in the weight store of a data directory, with their files.
    pub(crate) fn open(store: AdapterStore, data_dir: &Path) -> Result<Self> {
        let parts = PartDirectory::open(&data_dir.join(TABLES), "parquet")?;
        Ok(Self { store, parts: Arc::new(parts), data_dir: data_dir.to_owned(), changing: Mutex::new(()) })
    }

    /// Where the parts' files are.
    pub fn parts(&self) -> &Arc<PartDirectory> {
        &self.parts
    }

    /// The names of all tables, in order. A table whose very name is damaged is left out with a line in the log, and
    /// asking for it is an error.
    pub fn names(&self) -> Result<Vec<String>> {
        let keys = self.store.snapshot().readable_metadata_keys(PREFIX.as_bytes())?;
        for error in keys.damages {
            tracing::error!(%error, "the names of some tables cannot be read");
        }
        let names: BTreeSet<String> =
            keys.entries.iter().filter_map(|(key, ())| Some(split_key(key)?.0.to_owned())).collect();
        Ok(names.into_iter().collect())
    }

    /// A table; `None` when there is none of this name. An error concerns this table alone.
    pub fn table(&self, name: &str) -> Result<Option<TableEntry>> {
        let found = self.store.snapshot().readable_metadata(&table_prefix(name)?)?;
        if let Some(error) = found.damages.into_iter().next() {
            return Err(error.into());
        }
        let (mut definition, mut parts) = (None, Vec::new());
        for (key, value) in found.entries {
            match split_key(&key) {
                Some((_, DEFINITION)) => definition = Some(value?),
                Some((_, kind)) => parts.push(decode_part(name, kind, &value?)?),
                None => {}
            }
        }
        match definition {
            Some(definition) => Ok(Some(TableEntry { definition, parts })),
            None if parts.is_empty() => Ok(None),
            None => Err(Error::Corrupt(format!("the definition of table \"{name}\" is missing"))),
        }
    }

    /// Makes a table of these parts, in this order, in place of one that had the name.
    pub fn put(&self, name: &str, definition: &[u8], parts: Vec<NewPart>) -> Result<Vec<StoredPart>> {
        let key = definition_key(name)?;
        let _changing = self.changing.lock();
        let before = self.keys_of(name)?;
        self.store.write(|transaction| {
            for key in &before {
                transaction.remove_metadata(key)?;
            }
            transaction.put_metadata(&key, definition)?;
            parts.into_iter().map(|part| add_part(transaction, name, part)).collect()
        })
    }

    /// Adds a part behind those of a table. What it costs does not depend on how many there are.
    pub fn append(&self, name: &str, part: NewPart) -> Result<StoredPart> {
        let key = definition_key(name)?;
        let _changing = self.changing.lock();
        self.store.write(|transaction| {
            expect_table(transaction, name, &key)?;
            add_part(transaction, name, part)
        })
    }

    /// Puts one part, or none, in the place of those with these numbers, all of which the table must still have: at that
    /// of the lowest of them, or behind all others when no number is given.
    pub fn replace_parts(
        &self,
        name: &str,
        numbers: &[u64],
        part: Option<NewPart>,
    ) -> Result<Option<StoredPart>> {
        let key = definition_key(name)?;
        let _changing = self.changing.lock();
        self.store.write(|transaction| {
            expect_table(transaction, name, &key)?;
            for number in numbers {
                if !transaction.remove_metadata(&part_key(name, *number)?)? {
                    let reason = "another statement has changed it meanwhile";
                    return Err(Error::InUse {
                        kind: "table",
                        name: name.to_owned(),
                        reason: reason.to_owned(),
                    });
                }
            }
            let Some(NewPart { rows, record }) = part else {
                return Ok(None);
            };
            let Some(number) = numbers.iter().min().copied() else {
                return add_part(transaction, name, NewPart { rows, record }).map(Some);
            };
            let part = StoredPart { number, rows, record };
            transaction.put_metadata(&part_key(name, number)?, &encode_part(&part))?;
            Ok(Some(part))
        })
    }

    /// Removes a table with the records of its parts; says whether it was there.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let _changing = self.changing.lock();
        let keys = self.keys_of(name)?;
        if keys.is_empty() {
            return Ok(false);
        }
        self.store.write(|transaction| {
            for key in &keys {
                transaction.remove_metadata(key)?;
            }
            Ok(true)
        })
    }

    /// Moves the files that belong to no table to `lost+found` and returns their names. Nothing is moved while the record
    /// of any table is damaged, because its files would be among them.
    pub fn set_aside_unreferenced(&self) -> Result<Vec<String>> {
        let _changing = self.changing.lock();
        let Some(known) = self.referenced_files()? else {
            return Ok(Vec::new());
        };
        let mut moved = Vec::new();
        for name in self.parts.names()? {
            if known.contains(&name) {
                continue;
            }
            match lost_found::set_aside(&self.data_dir, &Path::new(TABLES).join(&name), "it is of no table") {
                Ok(_) => moved.push(name),
                // It only takes space where it is.
                Err(error) => tracing::error!(%error, name, "a file of no table could not be set aside"),
            }
        }
        Ok(moved)
    }

    /// The files that tables refer to; `None` when not all of that can be read.
    fn referenced_files(&self) -> Result<Option<BTreeSet<String>>> {
        let found = self.store.snapshot().readable_metadata(PREFIX.as_bytes())?;
        let mut damages: Vec<Error> = found.damages.into_iter().map(Error::from).collect();
        let mut files = BTreeSet::new();
        for (key, value) in found.entries {
            let read = value.map_err(Error::from).and_then(|value| match split_key(&key) {
                Some((_, DEFINITION)) => {
                    files.extend(version_1_parts(&value));
                    Ok(())
                }
                Some((name, kind)) => {
                    decode_part(name, kind, &value).map(|part| files.extend([part.record.name]))
                }
                None => Ok(()),
            });
            damages.extend(read.err());
        }
        for error in &damages {
            tracing::error!(%error, "no file of a table is set aside while the record of a table is damaged");
        }
        Ok(damages.is_empty().then_some(files))
    }

    /// The keys of a table, as they are now.
    fn keys_of(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let keys = self.store.snapshot().readable_metadata_keys(&table_prefix(name)?)?;
        match keys.damages.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(keys.entries.into_iter().map(|(key, ())| key).collect()),
        }
    }
}

/// The files that the tables of a state refer to, with the records of those that have one: a definition of version 1, of
/// which the SQL layer has not made another one yet, has only names.
pub(crate) fn files_in(snapshot: &Snapshot) -> Result<BTreeMap<String, Option<PartRecord>>> {
    let mut files = BTreeMap::new();
    for (key, value) in snapshot.scan_metadata(PREFIX.as_bytes())? {
        match split_key(&key) {
            Some((_, DEFINITION)) => {
                files.extend(version_1_parts(&value).into_iter().map(|name| (name, None)));
            }
            Some((name, kind)) => {
                let record = decode_part(name, kind, &value)?.record;
                files.insert(record.name.clone(), Some(record));
            }
            None => {}
        }
    }
    Ok(files)
}

/// The key of a table's definition.
pub(crate) fn definition_key(name: &str) -> Result<Vec<u8>> {
    Ok([&table_prefix(name)?, DEFINITION.as_bytes()].concat())
}

fn part_key(name: &str, number: u64) -> Result<Vec<u8>> {
    Ok([&table_prefix(name)?, format!("{PART}{number:016x}").as_bytes()].concat())
}

/// What all keys of a table begin with.
fn table_prefix(name: &str) -> Result<Vec<u8>> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
        let reason = format!("a table's name has 1 to {LONGEST_NAME} bytes and no NUL");
        return Err(Error::text_argument("table", name, reason));
    }
    Ok([PREFIX.as_bytes(), name.as_bytes(), b"\0"].concat())
}

/// The table's name in a key, and what of the table it is.
fn split_key(key: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(key).ok()?.strip_prefix(PREFIX)?.split_once('\0')
}

fn expect_table(transaction: &WriteTransaction<'_>, name: &str, key: &[u8]) -> Result<()> {
    match transaction.metadata(key)? {
        Some(_) => Ok(()),
        None => Err(Error::UnknownObject { kind: "table", name: name.to_owned(), nearest: None }),
    }
}

fn add_part(
    transaction: &mut WriteTransaction<'_>,
    name: &str,
    NewPart { rows, record }: NewPart,
) -> Result<StoredPart> {
    let part = StoredPart { number: next_number(transaction, "part")?, rows, record };
    transaction.put_metadata(&part_key(name, part.number)?, &encode_part(&part))?;
    Ok(part)
}

/// How many rows a part has in eight little-endian bytes, then the record of its file.
fn encode_part(part: &StoredPart) -> Vec<u8> {
    [&part.rows.to_le_bytes()[..], &part.record.encode()].concat()
}

fn decode_part(name: &str, kind: &str, bytes: &[u8]) -> Result<StoredPart> {
    let number = kind.strip_prefix(PART).and_then(|number| u64::from_str_radix(number, 16).ok());
    let decoded = number.zip(bytes.split_first_chunk()).map(|(number, (rows, record))| {
        let record = PartRecord::decode(record)?;
        Ok::<_, StorageError>(StoredPart { number, rows: u64::from_le_bytes(*rows), record })
    });
    match decoded {
        Some(Ok(part)) => Ok(part),
        Some(Err(error)) => {
            Err(Error::Corrupt(format!("the record of a part of table \"{name}\" cannot be read: {error}")))
        }
        None => Err(Error::Corrupt(format!("the record of a part of table \"{name}\" is too short"))),
    }
}

/// The files that a definition of version 1 names itself. One of this version names none.
fn version_1_parts(definition: &[u8]) -> Vec<String> {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_slice(definition).unwrap_or_default();
    let names = fields.get("parts").and_then(|parts| parts.as_array()).into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
