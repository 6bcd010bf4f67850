//! The tables of a damaged data directory, as far as they are whole, in a new one.
//!
//! What the new directory's catalog says of a table is right, because salvage made it of what was whole. Of a part that is
//! damaged, the row groups whose checksums are right are kept. A part that no definition names belongs to the table that
//! its own end names, if that table is not in the catalog; otherwise its rows become a table `recovered_1`, `recovered_2`
//! and so on, so that they are neither lost nor mixed with others.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use hyprstream_engine::{Engine, EngineOptions, Error as EngineError, NewPart, PartDirectory, TableCatalog};

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::definition::{Definition, StoredDefinition};
use crate::user_tables::opening::adopted;
use crate::user_tables::part::PartBytes;
use crate::user_tables::writer::{DEFINITION_KEY, PartWriter, REPLACES_KEY, TABLE_KEY};

/// What was saved of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SalvagedTable {
    /// Its name in the new data directory.
    pub name: String,
    /// Rows that it has there.
    pub rows_kept: u64,
    /// Rows that it had and has no more; `None` when nothing says how many.
    pub rows_lost: Option<u64>,
    /// What is to be said of it beside the numbers: what is damaged, or where the rows come from.
    pub reason: Option<String>,
}

/// Fills the tables of `into`, which is a new data directory with what else was salvaged, from the files of `data_dir`.
pub fn salvage_tables(data_dir: &Path, into: &Path) -> Result<Vec<SalvagedTable>> {
    let engine = Engine::open(EngineOptions::new(into))?;
    let catalog = engine.tables();
    let from = data_dir.join("tables");
    let from = if from.is_dir() {
        Arc::new(PartDirectory::open(&from, "parquet").map_err(EngineError::from)?)
    } else {
        Arc::clone(catalog.parts())
    };
    let mut salvage = Salvage { catalog, from: &from, seen: HashSet::new(), replaced: HashSet::new() };
    let mut tables = salvage.tables_of_catalog()?;
    let found = salvage.tables_of_parts()?;
    merge_lines(&mut tables, found);
    catalog.set_aside_unreferenced()?;
    engine.close()?;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

/// A table whose definition is lost and whose parts are found is one table.
fn merge_lines(tables: &mut Vec<SalvagedTable>, found: Vec<SalvagedTable>) {
    for table in found {
        tables.retain(|lost| lost.name != table.name);
        tables.push(table);
    }
}

struct Salvage<'a> {
    catalog: &'a TableCatalog,
    from: &'a PartDirectory,
    /// Files that a definition names.
    seen: HashSet<String>,
    /// Parts whose rows are in another one.
    replaced: HashSet<String>,
}

/// Where a table is put together.
struct Table {
    definition: StoredDefinition,
    schema: SchemaRef,
    parts: Vec<NewPart>,
    saved: SalvagedTable,
}

/// What the end of a whole part says of itself.
struct Labels {
    table: Option<String>,
    definition: Option<StoredDefinition>,
    replaces: Vec<String>,
    schema: SchemaRef,
}

impl Salvage<'_> {
    fn tables_of_catalog(&mut self) -> Result<Vec<SalvagedTable>> {
        let mut tables = Vec::new();
        for name in self.catalog.names()? {
            match self.definition(&name) {
                Ok(Some((definition, parts))) => tables.push(self.table(&name, definition, parts)?),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(table = name, %error, "the definition of a table is lost");
                    self.catalog.remove(&name)?;
                    let reason = Some(error.message().to_owned());
                    tables.push(SalvagedTable { name, reason, ..SalvagedTable::default() });
                }
            }
        }
        Ok(tables)
    }

    /// The definition of a table and the parts that it should have; `None` for files elsewhere.
    fn definition(&self, name: &str) -> Result<Option<(StoredDefinition, Vec<NewPart>)>> {
        let Some(entry) = self.catalog.table(name)? else {
            return Ok(None);
        };
        let Definition::Stored(mut definition) = Definition::from_bytes(&entry.definition)? else {
            return Ok(None);
        };
        definition.schema()?;
        let parts = match definition.take_version_1_parts() {
            Some(files) => files.iter().map(|file| adopted(self.from, name, file)).collect(),
            None => entry.parts.into_iter().map(|p| NewPart { rows: p.rows, record: p.record }).collect(),
        };
        Ok(Some((definition, parts)))
    }

    /// Takes over a table with its parts.
    fn table(
        &mut self,
        name: &str,
        definition: StoredDefinition,
        parts: Vec<NewPart>,
    ) -> Result<SalvagedTable> {
        let mut table = Table::try_new(name, definition)?;
        for part in parts {
            self.seen.insert(part.record.name.clone());
            self.take_over(&mut table, part)?;
        }
        self.store(table)
    }

    /// Takes over a part: as it is, or what is whole of it.
    fn take_over(&mut self, table: &mut Table, part: NewPart) -> Result<()> {
        match self.check(&part) {
            Ok(labels) => {
                self.replaced.extend(labels.replaces);
                self.copy(&part)?;
                table.saved.rows_kept += part.rows;
                table.parts.push(part);
            }
            Err(error) => {
                let saved = self.whole_groups(table, &part)?;
                let kept = saved.as_ref().map_or(0, |saved| saved.rows);
                table.saved.rows_kept += kept;
                // A part of version 1 that cannot be read does not say how many rows it had.
                let had = (part.record.bytes > 0 && part.rows > 0).then_some(part.rows);
                let lost = had.map(|had| had.saturating_sub(kept));
                table.saved.rows_lost = table.saved.rows_lost.zip(lost).map(|(sum, lost)| sum + lost);
                table.saved.note(error.message());
                table.parts.extend(saved);
            }
        }
        Ok(())
    }

    /// Reads every byte and every row of a part.
    fn check(&self, part: &NewPart) -> Result<Labels> {
        let reader = self.from.reader(&part.record).map_err(EngineError::from)?;
        reader.verify().map_err(EngineError::from)?;
        let opened = PartBytes::open(self.from, &part.record)?;
        let rows = opened.rows()?;
        let labels = labels(&rows);
        for rows in rows.build().map_err(|error| opened.damage(&error))? {
            rows.map_err(|error| opened.damage(&error))?;
        }
        Ok(labels)
    }

    /// A new part of the row groups of a damaged one that are whole.
    fn whole_groups(&self, table: &Table, part: &NewPart) -> Result<Option<NewPart>> {
        let Ok(opened) = PartBytes::open(self.from, &part.record) else {
            return Ok(None);
        };
        let Ok(metadata) = opened.metadata() else {
            return Ok(None);
        };
        let (name, definition, schema) = (&table.saved.name, &table.definition, &table.schema);
        let mut writer = PartWriter::try_new(self.catalog.parts(), name, definition, schema)?;
        for group in 0..metadata.num_row_groups() {
            let rows = opened.rows()?.with_row_groups(vec![group]).build();
            let rows = rows.ok().and_then(|rows| rows.collect::<std::result::Result<Vec<_>, _>>().ok());
            for rows in rows.unwrap_or_default() {
                writer.write(&rows)?;
            }
        }
        writer.finish(std::slice::from_ref(&part.record.name))
    }

    /// Copies a whole file, unless it is there.
    fn copy(&self, part: &NewPart) -> Result<()> {
        let there = self.catalog.parts();
        let is_there = there.reader(&part.record).and_then(|part| part.verify()).is_ok();
        let (from, to) = (self.from.path().join(&part.record.name), there.path().join(&part.record.name));
        if is_there || from == to {
            return Ok(());
        }
        fs::copy(&from, &to).map_err(|error| Error::io("write", &to, &error))?;
        // The record of an adopted file is durable, and so is the file.
        there.adopt(&part.record.name).map_err(EngineError::from)?;
        File::open(there.path())
            .and_then(|directory| directory.sync_all())
            .map_err(|error| Error::io("sync", there.path(), &error))
    }

    fn store(&self, table: Table) -> Result<SalvagedTable> {
        let definition = Definition::Stored(table.definition).to_bytes()?;
        self.catalog.put(&table.saved.name, &definition, table.parts)?;
        Ok(table.saved)
    }

    /// Tables of parts that no definition names.
    fn tables_of_parts(&mut self) -> Result<Vec<SalvagedTable>> {
        let mut whole: Vec<(NewPart, Labels)> = Vec::new();
        let mut damaged: Vec<(String, SalvagedTable)> = Vec::new();
        for file in self.from.names().map_err(EngineError::from)? {
            if self.seen.contains(&file) || !file.ends_with(".parquet") {
                continue;
            }
            let part = adopted(self.from, &file, &file);
            match self.check_by_name(&part) {
                Ok(labels) => {
                    self.replaced.extend(labels.replaces.iter().cloned());
                    whole.push((part, labels));
                }
                Err(error) => {
                    let saved = SalvagedTable {
                        name: self.owner(&part).unwrap_or_else(|| file.clone()),
                        reason: Some(error.message().to_owned()),
                        ..SalvagedTable::default()
                    };
                    damaged.push((file, saved));
                }
            }
        }
        whole.retain(|(part, _)| !self.replaced.contains(&part.record.name));
        whole.sort_by_cached_key(|(part, labels)| labels.age(&part.record.name));
        damaged.retain(|(file, _)| !self.replaced.contains(file));
        let mut tables = self.put_together(whole)?;
        for (_, lost) in damaged {
            match tables.iter_mut().find(|table| table.name == lost.name) {
                Some(table) => {
                    table.rows_lost = None;
                    table.note(lost.reason.as_deref().unwrap_or_default());
                }
                None => tables.push(lost),
            }
        }
        Ok(tables)
    }

    /// A part that no record describes is whole if its content has the hash in its name. One of version 1 has none.
    fn check_by_name(&self, part: &NewPart) -> Result<Labels> {
        let name = &part.record.name;
        if self.from.proves_itself(name).map_err(EngineError::from)? == Some(false) {
            let reason = format!("the content of {name} is not the one that its name was made of");
            return Err(Error::new(ErrorKind::DataCorrupted, reason));
        }
        self.check(part)
    }

    /// The table that the end of a part names, if its end can be read.
    fn owner(&self, part: &NewPart) -> Option<String> {
        labels(&PartBytes::open(self.from, &part.record).ok()?.rows().ok()?).table
    }

    /// Tables of whole parts, which are in the order of their rows.
    fn put_together(&self, parts: Vec<(NewPart, Labels)>) -> Result<Vec<SalvagedTable>> {
        let mut tables: BTreeMap<(Option<String>, Vec<u8>), Table> = BTreeMap::new();
        let mut in_catalog: HashSet<String> = self.catalog.names()?.into_iter().collect();
        for (part, labels) in parts {
            let name = labels.table.filter(|name| !in_catalog.contains(name));
            let definition = match labels.definition.filter(|_| name.is_some()) {
                Some(definition) => definition,
                None => StoredDefinition::try_new(&labels.schema, Vec::new())?,
            };
            let key = (name, Definition::Stored(definition.clone()).to_bytes()?);
            let table = match tables.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Table::try_new("", definition)?),
            };
            self.copy(&part)?;
            table.saved.rows_kept += part.rows;
            table.parts.push(part);
        }
        let mut saved = Vec::with_capacity(tables.len());
        for ((name, _), mut table) in tables {
            let reason = match &name {
                Some(_) => "its definition was lost and is that in its parts",
                None => "no definition names these rows",
            };
            table.saved.note(reason);
            let free = name.filter(|name| !in_catalog.contains(name));
            table.saved.name = free.unwrap_or_else(|| unused(&in_catalog));
            in_catalog.insert(table.saved.name.clone());
            saved.push(self.store(table)?);
        }
        Ok(saved)
    }
}

/// The first of `recovered_1`, `recovered_2` and so on that no table has.
fn unused(names: &HashSet<String>) -> String {
    let mut number = 1;
    while names.contains(&format!("recovered_{number}")) {
        number += 1;
    }
    format!("recovered_{number}")
}

impl Table {
    fn try_new(name: &str, definition: StoredDefinition) -> Result<Self> {
        let saved = SalvagedTable { name: name.to_owned(), rows_lost: Some(0), ..SalvagedTable::default() };
        Ok(Self { schema: definition.schema()?, definition, parts: Vec::new(), saved })
    }
}

impl SalvagedTable {
    fn note(&mut self, what: &str) {
        let reason = self.reason.get_or_insert_default();
        if !reason.is_empty() {
            reason.push_str("; ");
        }
        reason.push_str(what);
    }
}

impl Labels {
    /// When the first of its rows were written, as the name of a part says it.
    fn age(&self, name: &str) -> String {
        self.replaces.iter().map(String::as_str).chain([name]).min().unwrap_or(name).to_owned()
    }
}

fn labels(rows: &ParquetRecordBatchReaderBuilder<PartBytes>) -> Labels {
    let entries = rows.metadata().file_metadata().key_value_metadata();
    let value = |key: &str| {
        let entry = entries?.iter().find(|entry| entry.key == key)?;
        entry.value.clone()
    };
    let definition = value(DEFINITION_KEY).and_then(|text| match Definition::from_bytes(text.as_bytes()) {
        Ok(Definition::Stored(definition)) if definition.schema().is_ok() => Some(definition),
        _ => None,
    });
    let replaces = value(REPLACES_KEY).unwrap_or_default();
    // The metadata of the schema is that of the file, which a table does not have.
    let schema = Schema::new(rows.schema().fields().clone());
    Labels {
        table: value(TABLE_KEY),
        definition,
        replaces: replaces.split_whitespace().map(str::to_owned).collect(),
        schema: Arc::new(schema),
    }
}
