//! A backup: a copy of a data directory of one moment, made while it is used, with a hash of each file.
//!
//! The state is that of one snapshot of the weight store. No file of a table is removed meanwhile, and the log of recorded
//! answers is copied after the snapshot was taken, so that the copy has every answer that the snapshot refers to. Files that
//! never change are hard links where that is possible. `std::fs::copy` has the file system share blocks where it can (btrfs,
//! xfs). `backup.json` is written last, once all else is durable.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapters::store::AdapterStore;
use crate::catalog::tables::{TableCatalog, files_in};
use crate::clock::now_micros;
use crate::data_dir::files::{is_there, replace_file, sync_tree};
use crate::data_dir::marker::{MARKER_FILE, Marker, Unfinished};
use crate::data_dir::{BACKUP_FILE, FILES, GRID, MODELS, TABLES, TRAJECTORIES};
use crate::error::{Error, Result};
use crate::json::to_json;
use crate::recording::recorder::Recorder;
use crate::upkeep::copying::copy_link;
use crate::upkeep::opening::finish;

/// The form of `backup.json` that is written here.
pub(super) const BACKUP_VERSION: u64 = 1;

/// What a backup or a restored directory came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// The directory that was made.
    pub directory: PathBuf,
    /// Files in it, `backup.json` apart.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the files, those that are hard links to files of the data directory, which take no space as long as it keeps them.
    pub linked: u64,
}

/// What `backup.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inventory {
    pub(super) version: u64,
    /// When the snapshot was taken, in microseconds since the Unix epoch.
    pub(super) created_at: i64,
    /// The directories, parents first.
    pub(super) directories: Vec<String>,
    pub(super) files: Vec<FileEntry>,
    /// Symbolic links with what they mean.
    pub(super) links: BTreeMap<String, String>,
}

/// A file of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// What is backed up.
pub(crate) struct Source<'a> {
    pub(crate) store: &'a AdapterStore,
    pub(crate) tables: &'a TableCatalog,
    pub(crate) recorder: &'a Recorder,
    pub(crate) data_dir: &'a Path,
}

impl Source<'_> {
    /// Makes the backup `into`, which must not exist.
    pub(crate) fn back_up(&self, into: &Path) -> Result<BackupReport> {
        if is_there(into)? {
            return Err(Error::AlreadyExists { kind: "directory", name: into.display().to_string() });
        }
        fs::create_dir_all(into).map_err(Error::io("make the directory", into))?;
        let made = self.expect_no_part(into).and_then(|()| self.copy(into));
        made.inspect_err(|_| {
            // One that is not complete is of no use, and a full disk needs its space.
            let _ = fs::remove_dir_all(into);
        })
    }

    /// Refuses a directory inside the data directory, but for the files that SQL writes.
    fn expect_no_part(&self, into: &Path) -> Result<()> {
        let real = |path: &Path| path.canonicalize().map_err(Error::io("open", path));
        let into_real = real(into)?;
        let is_part = into_real.starts_with(real(self.data_dir)?)
            && !into_real.starts_with(real(&self.data_dir.join(FILES))?);
        if is_part {
            let reason = format!("{} is inside {}", into.display(), self.data_dir.display());
            return Err(Error::Refused(reason));
        }
        Ok(())
    }

    /// Refuses to back up damage, after which a good backup could be thrown away.
    fn expect_whole_answers(&self) -> Result<()> {
        let damages = self.recorder.caught_up()?.verify()?.damages;
        let Some(damage) = damages.first() else {
            return Ok(());
        };
        let (file, offset, reason) = (damage.file.display(), damage.offset, &damage.reason);
        Err(Error::Corrupt(format!(
            "{file} is damaged at byte {offset}: recorded answers: {reason}; nothing was backed up; restore an earlier \
             backup, or keep what is whole in a new directory (hyprstream salvage)"
        )))
    }

    fn copy(&self, into: &Path) -> Result<BackupReport> {
        self.expect_whole_answers()?;
        Marker::unfinished(Unfinished::Backup).write(into)?;
        let mut report = BackupReport { directory: into.to_owned(), ..BackupReport::default() };
        let hold = self.tables.parts().hold();
        let (snapshot, created_at) = (self.store.snapshot(), now_micros());
        self.store.grid().copy_to(&snapshot, &into.join(GRID))?;
        let tables = into.join(TABLES);
        fs::create_dir(&tables).map_err(Error::io("make the directory", &tables))?;
        for (name, record) in files_in(&snapshot)? {
            if let Some(record) = record {
                self.tables.parts().reader(&record)?.verify()?;
            }
            let is_linked = link(&self.tables.parts().path().join(&name), &tables.join(&name))?;
            report.linked += u64::from(is_linked);
        }
        drop((snapshot, hold));
        let log = self.recorder.caught_up()?.copy_to(&into.join(TRAJECTORIES))?;
        report.linked += log.linked;
        for part in [MODELS, FILES] {
            copy_directory(&self.data_dir.join(part), &into.join(part))?;
        }
        finish(into)?;
        sync_tree(into)?;
        let mut inventory = Inventory {
            version: BACKUP_VERSION,
            created_at,
            directories: Vec::new(),
            files: Vec::new(),
            links: BTreeMap::new(),
        };
        take_inventory(into, Path::new(""), &mut inventory)?;
        replace_file(into, "backup.json.new", BACKUP_FILE, &to_json(&inventory)?)?;
        report.files = inventory.files.len() as u64;
        report.bytes = inventory.files.iter().map(|file| file.bytes).sum();
        Ok(report)
    }
}

/// Gives a file that never changes a second name, or copies it where that cannot be. Says which.
fn link(from: &Path, to: &Path) -> Result<bool> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(true);
    }
    fs::copy(from, to).map(|_| false).map_err(Error::io("copy", from))
}

/// Copies a directory, but for backups and other data directories in it.
fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(Error::io("make the directory", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let entry = entry.map_err(Error::io("list", from))?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::io("look at", &path))?;
        if kind.is_symlink() {
            copy_link(&path, &to)?;
        } else if kind.is_dir() {
            if is_there(&path.join(BACKUP_FILE))? || is_there(&path.join(MARKER_FILE))? {
                tracing::debug!(directory = %path.display(), "a backup is not part of another one");
            } else {
                copy_directory(&path, &to)?;
            }
        } else if kind.is_file() {
            match fs::copy(&path, &to) {
                Ok(_) => {}
                // It was removed since the directory was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_there(&path)? => {}
                Err(error) => return Err(Error::io("copy", &path)(error)),
            }
        }
    }
    Ok(())
}

/// Notes everything below a directory, with the hashes of the files.
fn take_inventory(root: &Path, below: &Path, inventory: &mut Inventory) -> Result<()> {
    let directory = root.join(below);
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(Error::io("list", &directory))? {
        names.push(entry.map_err(Error::io("list", &directory))?.file_name());
    }
    names.sort();
    for name in names {
        let (relative, path) = (below.join(&name), directory.join(&name));
        let text = relative.to_str().ok_or_else(|| {
            let reason = "its name is not UTF-8; give it another one and make the backup again";
            Error::Refused(format!("{} cannot be backed up: {reason}", path.display()))
        })?;
        let metadata = fs::symlink_metadata(&path).map_err(Error::io("look at", &path))?;
        if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(Error::io("read the link", &path))?;
            inventory.links.insert(text.to_owned(), target.to_string_lossy().into_owned());
        } else if metadata.is_dir() {
            inventory.directories.push(text.to_owned());
            take_inventory(root, &relative, inventory)?;
        } else {
            let (bytes, sha256) = hash_file(&path)?;
            inventory.files.push(FileEntry { path: text.to_owned(), bytes, sha256 });
        }
    }
    Ok(())
}

/// The length of a file and the SHA-256 of its content.
pub(super) fn hash_file(path: &Path) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
    let bytes = read.map_err(Error::io("read", path))?;
    Ok((bytes, hex::encode(hash.finalize())))
}
