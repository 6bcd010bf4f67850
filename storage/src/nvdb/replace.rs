//! Replacing a file by a whole one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Puts a file of these bytes at `path`, durably: at any moment the old file is there or the whole new one.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.as_os_str().to_owned();
    // A name of its own, whatever else is exported into this directory at the same time.
    name.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = Path::new(&name);
    let replaced = write_synced(temporary, bytes)
        .and_then(|()| fs::rename(temporary, path).map_err(|e| Error::io("replace", path, e)));
    if replaced.is_err() {
        let _ = fs::remove_file(temporary);
    }
    replaced?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| Error::io("sync the directory", directory, e))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(|e| Error::io("create", path, e))?;
    file.write_all(bytes).map_err(|e| Error::io("write", path, e))?;
    file.sync_all().map_err(|e| Error::io("sync", path, e))
}
