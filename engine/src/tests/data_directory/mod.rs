//! Data directories: what is kept in one, what happens when a part is missing, and how others are made of it.

mod backup;
mod missing_parts;
mod records;
mod salvage;
mod tables;
mod take_over;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Bench, ask, options};
use crate::{Engine, EngineOptions, NewPart};

/// Opens a directory and says why that is refused.
fn refusal(directory: &Path) -> String {
    Engine::open(EngineOptions::new(directory)).unwrap_err().to_string()
}

/// The names in a directory, in order.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every file below a directory with what is in it.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in names(directory) {
        let path = directory.join(name);
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// A part with so many rows, whose file holds this text.
fn part(engine: &Engine, rows: u64, text: &str) -> NewPart {
    let mut writer = engine.tables().parts().begin().unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    NewPart { rows, record: writer.finish().unwrap() }
}

/// Where what was set aside under this name is now.
fn set_aside(directory: &Path, part: &str) -> PathBuf {
    let lost_found = directory.join("lost+found");
    lost_found.join(names(&lost_found).remove(0)).join(part)
}

/// Writes a record of the weight store.
fn put(engine: &Engine, key: &str, value: &[u8]) {
    let put = engine.adapter_store.write(|transaction| Ok(transaction.put_metadata(key.as_bytes(), value)?));
    put.unwrap();
}

/// A conversation's record, in which a user said this.
fn conversation(said: &str) -> Vec<u8> {
    let turn = format!(r#"{{"role":"user","content":"{said}"}}"#);
    format!(
        r#"{{"created_at":1,"last_used_at":2,"model":"bundled","answers":3,"prompt_tokens":4,"completion_tokens":5,"turns":[{turn}]}}"#
    )
    .into_bytes()
}
