//! A data directory made of a backup, each of whose files must have the hash that `backup.json` has of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::data_dir::files::{is_there, sync_tree};
use crate::data_dir::marker::{MARKER_FILE, Marker, Unfinished};
use crate::data_dir::{BACKUP_FILE, CACHE, INDEX};
use crate::error::{Error, Result};
use crate::upkeep::backup::{BACKUP_VERSION, BackupReport, FileEntry, Inventory, hash_file};
use crate::upkeep::copying::expect_apart;
use crate::upkeep::opening::finish;

/// Makes the data directory `into`, which must be empty or not exist, of the backup `from`. Each file is compared with the
/// hash that was taken of it; where one differs, nothing is left of `into`.
pub fn restore(from: &Path, into: &Path) -> Result<BackupReport> {
    let inventory = read_inventory(from)?;
    if is_there(into)? {
        let mut entries = fs::read_dir(into).map_err(Error::io("list", into))?;
        if entries.next().is_some() {
            let reason = "it is not empty; a backup is restored into a new directory";
            return Err(Error::Refused(format!("{} is not written: {reason}", into.display())));
        }
    }
    fs::create_dir_all(into).map_err(Error::io("make the directory", into))?;
    let restored = expect_apart(from, into).and_then(|()| copy(from, into, &inventory));
    restored.inspect_err(|_| {
        // It would not open anyway, and the next attempt needs it empty.
        let _ = fs::remove_dir_all(into);
    })
}

fn read_inventory(from: &Path) -> Result<Inventory> {
    if !from.is_dir() {
        return Err(Error::Refused(format!("{} is not a directory, so no backup either", from.display())));
    }
    let path = from.join(BACKUP_FILE);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let reason = format!("it has no {BACKUP_FILE}, which is written last");
            Error::Refused(format!("{} is not a complete backup: {reason}", from.display()))
        }
        _ => Error::io("read", &path)(error),
    })?;
    let inventory: Inventory = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(from, &format!("{BACKUP_FILE} cannot be read: {error}")))?;
    if inventory.version != BACKUP_VERSION {
        let known = format!("this program reads version {BACKUP_VERSION}");
        let found = inventory.version;
        return Err(Error::Refused(format!("{} has version {found}; {known}", path.display())));
    }
    Ok(inventory)
}

fn copy(from: &Path, into: &Path, inventory: &Inventory) -> Result<BackupReport> {
    Marker::unfinished(Unfinished::Restore).write(into)?;
    for directory in &inventory.directories {
        let path = into.join(plain(from, directory)?);
        fs::create_dir_all(&path).map_err(Error::io("make the directory", &path))?;
    }
    let mut report = BackupReport { directory: into.to_owned(), ..BackupReport::default() };
    for file in &inventory.files {
        restore_file(from, into, file)?;
        report.files += 1;
        report.bytes += file.bytes;
    }
    for (link, target) in &inventory.links {
        let path = into.join(plain(from, link)?);
        std::os::unix::fs::symlink(target, &path).map_err(Error::io("make the link", &path))?;
    }
    for part in [CACHE, INDEX] {
        let path = into.join(part);
        fs::create_dir_all(&path).map_err(Error::io("make the directory", &path))?;
    }
    sync_tree(into)?;
    finish(into)?;
    Ok(report)
}

fn restore_file(from: &Path, into: &Path, file: &FileEntry) -> Result<()> {
    let relative = plain(from, &file.path)?;
    let source = from.join(&relative);
    if !is_there(&source)? {
        return Err(damaged(from, &format!("{} is missing", file.path)));
    }
    let is_marker = relative == Path::new(MARKER_FILE);
    // The marker says that the directory is complete, which it is not yet.
    let to = if is_marker { source.clone() } else { into.join(&relative) };
    if !is_marker {
        fs::copy(&source, &to).map_err(Error::io("copy", &source))?;
    }
    let (bytes, sha256) = hash_file(&to)?;
    if (bytes, sha256.as_str()) == (file.bytes, file.sha256.as_str()) {
        return Ok(());
    }
    let found = format!("has {bytes} bytes with the SHA-256 {sha256}");
    let expected = format!("and had {} with {} when the backup was made", file.bytes, file.sha256);
    Err(damaged(from, &format!("{} {found}, {expected}", file.path)))
}

/// A path of the inventory, which must lead to something inside the directory.
fn plain(from: &Path, path: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    if path.components().all(|component| matches!(component, Component::Normal(_))) {
        return Ok(path);
    }
    Err(damaged(from, &format!("{BACKUP_FILE} names {}, which is not in it", path.display())))
}

fn damaged(from: &Path, what: &str) -> Error {
    Error::Corrupt(format!("the backup {}: {what}; nothing was restored", from.display()))
}
