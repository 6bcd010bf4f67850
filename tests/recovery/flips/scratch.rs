//! A data directory that is damaged and put back, again and again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit of the byte there is another.
    Flipped(usize),
    /// Only its first half is left.
    Truncated,
    /// It has no bytes.
    Emptied,
    /// It is not there.
    Missing,
}

/// A copy of a directory whose files are known byte by byte.
pub struct Scratch {
    directory: TempDir,
    files: BTreeMap<PathBuf, Vec<u8>>,
    stamps: BTreeMap<PathBuf, Stamp>,
}

/// What changes whenever a file is written.
type Stamp = (u64, i64, i64, u64);

impl Scratch {
    /// Takes a directory, which must be closed, as what is to be put back.
    pub fn new(directory: TempDir) -> Self {
        let contents = |path: PathBuf| {
            let bytes = fs::read(directory.path().join(&path)).expect("the file");
            (path, bytes)
        };
        let files = listed(directory.path()).into_keys().map(contents).collect();
        Self { stamps: listed(directory.path()), files, directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Its files as they are when whole.
    pub fn files(&self) -> &BTreeMap<PathBuf, Vec<u8>> {
        &self.files
    }

    /// Damages a file; false where that changes nothing.
    pub fn damage(&self, file: &Path, damage: Damage) -> bool {
        let (path, whole) = (self.path().join(file), &self.files[file]);
        let damaged = match damage {
            Damage::Missing => {
                fs::remove_file(path).expect("the file");
                return true;
            }
            Damage::Emptied => Vec::new(),
            Damage::Truncated => whole[..whole.len() / 2].to_vec(),
            Damage::Flipped(offset) => {
                let mut bytes = whole.clone();
                bytes[offset] ^= 1 << (offset % 8);
                bytes
            }
        };
        fs::write(path, &damaged).expect("the file");
        damaged != *whole
    }

    /// Files that are gone or shorter than they were left, without a copy in `lost+found`. `but` is missing already; what
    /// is computed from others may go.
    pub fn deleted(&self, but: &Path, damage: Damage) -> Vec<PathBuf> {
        let now = listed(self.path());
        let is_set_aside = |file: &Path| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            now.keys()
                .any(|other| other.starts_with("lost+found") && other.to_string_lossy().contains(&*name))
        };
        let is_lost = |(file, whole): (&PathBuf, &Vec<u8>)| {
            let left = match damage {
                Damage::Missing if file == but => return false,
                Damage::Emptied if file == but => 0,
                Damage::Truncated if file == but => whole.len() / 2,
                _ => whole.len(),
            };
            let may_shrink =
                ["cache", "index", "grid", "hyprstream.lock"].iter().any(|part| file.starts_with(part));
            let may_go = ["cache", "index", "hyprstream.lock"].iter().any(|part| file.starts_with(part));
            match now.get(file) {
                Some(stamp) => !may_shrink && stamp.0 < left as u64 && !is_set_aside(file),
                None => !may_go && !is_set_aside(file),
            }
        };
        self.files.iter().filter(|entry| is_lost(*entry)).map(|(file, _)| file.clone()).collect()
    }

    /// Puts everything back that is not as it was.
    pub fn put_back(&mut self) {
        let now = listed(self.path());
        for added in now.keys().filter(|file| !self.files.contains_key(*file)) {
            fs::remove_file(self.path().join(added)).expect("the file");
        }
        let lost_found = self.path().join("lost+found");
        if lost_found.exists() {
            fs::remove_dir_all(lost_found).expect("the directory");
        }
        for (file, bytes) in &self.files {
            if now.get(file) != self.stamps.get(file) {
                let path = self.path().join(file);
                fs::create_dir_all(path.parent().expect("a directory")).expect("the directory");
                fs::write(path, bytes).expect("the file");
            }
        }
        self.stamps = listed(self.path());
    }
}

/// The files below a directory, as seen from it.
fn listed(directory: &Path) -> BTreeMap<PathBuf, Stamp> {
    let (mut found, mut open) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("the directory").flatten() {
            let metadata = entry.metadata().expect("the file");
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                let stamp = (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino());
                found.insert(entry.path().strip_prefix(directory).expect("below it").to_owned(), stamp);
            }
        }
    }
    found
}
