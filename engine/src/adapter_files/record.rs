//! The record beside an adapter's file: what the weights are and which model they belong to, as JSON.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::adapter_files::format::refused;
use crate::adapters::record::VersionRecord;
use crate::adapters::resolve::ResolvedAdapter;
use crate::error::{Error, Result};
use crate::json::to_json;

/// A record is a few lines and the text of a query.
const LONGEST_RECORD: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
struct FileRecord {
    adapter: String,
    version: String,
    #[serde(flatten)]
    record: VersionRecord,
}

/// Where the record of an adapter's file stands: the file's name with `.json` after it.
pub fn record_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// Writes the record of a file that is about to be written.
pub(super) fn write(path: &Path, adapter: &ResolvedAdapter) -> Result<()> {
    let target = record_path(path);
    let temporary = target.with_extension("json.tmp");
    let bytes = to_json(&FileRecord {
        adapter: adapter.name.clone(),
        version: adapter.version.clone(),
        record: adapter.record.clone(),
    })?;
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", &temporary));
    let renamed =
        written.and_then(|()| fs::rename(&temporary, &target).map_err(Error::io("rename", &temporary)));
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// Reads the record of a file.
pub(super) fn read(path: &Path) -> Result<VersionRecord> {
    let from = record_path(path);
    let file = File::open(&from).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
            refused(path, format!("its record {name}, which an export writes beside it, is missing"))
        }
        _ => Error::io("open", &from)(error),
    })?;
    let mut bytes = Vec::new();
    file.take(LONGEST_RECORD).read_to_end(&mut bytes).map_err(Error::io("read", &from))?;
    let found: FileRecord = serde_json::from_slice(&bytes)
        .map_err(|error| refused(&from, format!("it is not the record of an adapter: {error}")))?;
    Ok(found.record)
}
