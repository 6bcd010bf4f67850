//! The catalog of data directories of version 1: an ordered map in `sled`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Everything in the catalog of a data directory of version 1, in the order of its keys.
///
/// `sled` takes some damage for the torn end of its log and cuts that off when it opens one. So a copy is opened, beside
/// the catalog or else in the directory for temporary files, and the catalog stays as it is.
pub fn read_version_1_catalog(directory: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    if !directory.join("db").is_file() {
        return Err(Error::corrupt(directory, 0, HELD, "its file db is missing"));
    }
    let copy = Copy::of(directory)?;
    // An opening that was cut short, by a full disk for instance, leaves an empty snapshot of what the log has anyway.
    copy.remove_empty_snapshots()?;
    // sled asserts on some damage.
    let read = catch_unwind(AssertUnwindSafe(|| read_all(&copy.path)));
    let unreadable = |reason: String| Error::corrupt(directory, 0, HELD, reason);
    match read {
        Ok(Ok(entries)) => Ok(entries),
        Ok(Err(sled::Error::Io(source))) => Err(Error::io("read the catalog", directory, source)),
        Ok(Err(error)) => Err(unreadable(format!("its log cannot be read: {error}"))),
        Err(_) => Err(unreadable("its log cannot be read".to_owned())),
    }
}

const HELD: &str = "the catalog of version 1";

fn read_all(directory: &Path) -> sled::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    // Without a thread that flushes: sled waits for it for ever where it panicked on damage.
    let config = sled::Config::new().path(directory).cache_capacity(8 << 20).flush_every_ms(None);
    let database = config.open()?;
    let entries = database.iter().map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())));
    entries.collect()
}

/// A copy of a directory, removed when it is dropped.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn of(directory: &Path) -> Result<Self> {
        let beside = directory.with_extension("reading");
        let elsewhere = std::env::temp_dir().join(format!("hyprstream-catalog-{}", std::process::id()));
        let path = if make_anew(&beside).is_ok() {
            beside
        } else {
            make_anew(&elsewhere).map_err(|e| Error::io("create the directory", &elsewhere, e))?;
            elsewhere
        };
        let copy = Self { path };
        copy_files(directory, &copy.path).map_err(|e| Error::io("copy the catalog", directory, e))?;
        Ok(copy)
    }

    fn remove_empty_snapshots(&self) -> Result<()> {
        let remove = || {
            for entry in std::fs::read_dir(&self.path)? {
                let entry = entry?;
                let is_snapshot = entry.file_name().to_string_lossy().starts_with("snap.");
                if is_snapshot && entry.metadata()?.len() == 0 {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        remove().map_err(|e| Error::io("copy the catalog to", &self.path, e))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// An empty directory, whatever an earlier process left there.
fn make_anew(directory: &Path) -> io::Result<()> {
    if let Err(error) = std::fs::remove_dir_all(directory)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    std::fs::create_dir(directory)
}

/// Copies files and directories of files; sled has nothing else.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&to)?;
            copy_files(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn catalog_of(entries: &[(Vec<u8>, Vec<u8>)]) -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        let database = sled::open(data.path().join("catalog")).unwrap();
        for (key, value) in entries {
            database.insert(key.as_slice(), value.as_slice()).unwrap();
        }
        database.flush().unwrap();
        data
    }

    fn some_entries() -> Vec<(Vec<u8>, Vec<u8>)> {
        let entry = |n: u8| (format!("table/t{n:02}").into_bytes(), vec![n; usize::from(n) * 4000]);
        (0..40).map(entry).collect()
    }

    /// Every file below a directory with what is in it.
    fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files(&path));
            } else {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
        found
    }

    #[test]
    fn a_catalog_is_read_as_a_whole_and_not_touched() {
        let data = catalog_of(&some_entries());
        let before = files(data.path());
        assert_eq!(read_version_1_catalog(&data.path().join("catalog")).unwrap(), some_entries());
        assert!(files(data.path()) == before, "the data directory was changed");
    }

    #[test]
    fn an_empty_snapshot_of_an_opening_that_was_cut_short_costs_nothing() {
        let data = catalog_of(&some_entries());
        let catalog = data.path().join("catalog");
        std::fs::write(catalog.join("snap.00000000000FFFFF"), b"").unwrap();
        assert!(sled::open(&catalog).is_err(), "sled itself does not start from it");
        assert_eq!(read_version_1_catalog(&catalog).unwrap(), some_entries());
    }

    #[test]
    fn what_an_earlier_reading_left_behind_is_replaced() {
        let data = catalog_of(&some_entries());
        let left = data.path().join("catalog.reading");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("db"), b"something else").unwrap();
        assert_eq!(read_version_1_catalog(&data.path().join("catalog")).unwrap(), some_entries());
        assert!(!left.exists());
    }

    #[test]
    fn a_directory_without_a_catalog_is_an_error_and_gets_none() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("catalog")).unwrap();
        let refused = read_version_1_catalog(&data.path().join("catalog")).unwrap_err();
        assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
        assert!(files(data.path()).is_empty());
    }

    #[test]
    fn a_catalog_that_is_damaged_is_an_error_or_a_part_of_what_it_was() {
        let whole = some_entries();
        let data = catalog_of(&whole);
        let path = data.path().join("catalog").join("db");
        let intact = std::fs::read(&path).unwrap();
        for at in (0..intact.len()).step_by(intact.len() / 60) {
            let mut damaged = intact.clone();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 0x10;
            }
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(entries) = read_version_1_catalog(&data.path().join("catalog")) {
                let wrong = entries.iter().find(|entry| !whole.contains(entry));
                assert!(wrong.is_none(), "byte {at}: {:?} was never put", wrong.map(|(key, _)| key));
            }
            assert!(std::fs::read(&path).unwrap() == damaged, "byte {at}: the catalog was changed");
        }
    }
}
