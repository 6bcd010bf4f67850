//! What can be computed again from elsewhere, kept in `sled` so that it need not be.
//!
//! Nothing here decides anything: whatever is lost or damaged costs computing it again, never a start, an answer or a
//! file. The owner of a value must be able to tell an outdated one, because after a crash or damage `sled` may bring back
//! what was put earlier.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::checksum::crc32c_parts;

/// A file in the directory of an index that failed while it was used: the next opening makes the index anew.
const FAILED_FILE: &str = "failed";

/// How long to wait for a lock that this process itself, or a child before its program starts, may still have.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// A map from bytes to bytes that may forget anything at any time, and never holds a value that nobody put.
#[derive(Debug)]
pub struct RebuildableIndex {
    /// `None` where the directory cannot be used: then everything is absent.
    database: Option<sled::Db>,
    directory: PathBuf,
    has_failed: AtomicBool,
}

impl RebuildableIndex {
    /// Opens the index in `directory`. One that cannot be opened is removed and made anew; where that fails too, a
    /// warning is logged and nothing is kept.
    pub fn open(directory: &Path) -> Self {
        let database = open_or_make_anew(directory).unwrap_or_else(|error| {
            let directory = directory.display();
            tracing::warn!(%directory, error, "the index cannot be used; what it would tell is computed again");
            None
        });
        Self { database, directory: directory.to_owned(), has_failed: AtomicBool::new(false) }
    }

    /// A value that was put under this key: the newest as a rule.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let stored = self.attempt("read", |database| database.get(key))??;
        let (crc, value) = stored.split_first_chunk()?;
        (checksum(key, value) == u32::from_le_bytes(*crc)).then(|| value.to_vec())
    }

    /// Sets a key.
    pub fn put(&self, key: &[u8], value: &[u8]) {
        let mut stored = checksum(key, value).to_le_bytes().to_vec();
        stored.extend_from_slice(value);
        self.attempt("write", |database| database.insert(key, stored));
    }

    /// Removes a key.
    pub fn remove(&self, key: &[u8]) {
        self.attempt("write", |database| database.remove(key));
    }

    /// Makes what was put and removed so far likely to be there after a crash.
    pub fn flush(&self) {
        self.attempt("sync", |database| database.flush());
    }

    /// Whether what is put is kept.
    pub fn is_kept(&self) -> bool {
        self.database.is_some() && !self.has_failed.load(Ordering::Acquire)
    }

    /// Does something unless an earlier call failed, after which nothing that `sled` does can be relied on.
    fn attempt<T>(&self, action: &str, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Option<T> {
        let database = self.database.as_ref().filter(|_| self.is_kept())?;
        match caught(|| work(database)) {
            Ok(done) => Some(done),
            Err(error) => {
                self.has_failed.store(true, Ordering::Release);
                let directory = self.directory.display();
                tracing::warn!(%directory, action, error, "the index failed; the next start makes it anew");
                let _ = std::fs::write(self.directory.join(FAILED_FILE), b"");
                None
            }
        }
    }
}

impl Drop for RebuildableIndex {
    fn drop(&mut self) {
        self.flush();
        let database = self.database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

fn open_or_make_anew(directory: &Path) -> Result<Option<sled::Db>, String> {
    if !directory.join(FAILED_FILE).exists() {
        match open_when_unlocked(directory) {
            Ok(database) => return Ok(Some(database)),
            Err(error) if is_locked(&error) => return Err(error),
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, error, "the index is damaged and is made anew");
            }
        }
    }
    remove_whatever_is_there(directory).map_err(|error| error.to_string())?;
    open_when_unlocked(directory).map(Some)
}

/// Removes a directory, or the file that has its name.
fn remove_whatever_is_there(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn open_when_unlocked(directory: &Path) -> Result<sled::Db, String> {
    // Without a thread that flushes: sled waits for it for ever where it panicked on damage.
    let config = sled::Config::new().path(directory).cache_capacity(8 << 20).flush_every_ms(None);
    let begun = Instant::now();
    loop {
        let opened = caught(|| config.open());
        if begun.elapsed() > LOCK_WAIT || !opened.as_ref().is_err_and(|error| is_locked(error)) {
            return opened;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether sled says that someone else has the directory open, for which it has no kind of error.
fn is_locked(error: &str) -> bool {
    error.contains("could not acquire lock")
}

/// What `sled` returns, or why it cannot: it asserts on some damage.
fn caught<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked".to_owned()),
    }
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c_parts(&[&(key.len() as u64).to_le_bytes(), key, value])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_sled_returns_under_another_key_or_changed_is_absent() {
        let data = tempfile::tempdir().unwrap();
        let index = RebuildableIndex::open(data.path());
        index.put(b"key", b"value");
        let database = index.database.as_ref().unwrap();
        let stored = database.get(b"key").unwrap().unwrap();
        database.insert(b"other", stored.clone()).unwrap();
        let mut changed = stored.to_vec();
        changed.push(0);
        database.insert(b"changed", changed).unwrap();
        database.insert(b"short", b"abc").unwrap();
        assert_eq!(index.get(b"key").as_deref(), Some(b"value".as_slice()));
        assert_eq!((index.get(b"other"), index.get(b"changed"), index.get(b"short")), (None, None, None));
        assert!(index.is_kept(), "a wrong value is no failure of the index");
    }

    #[test]
    fn an_index_that_failed_while_it_was_used_is_made_anew() {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("index");
        let index = RebuildableIndex::open(&directory);
        index.put(b"key", b"value");
        let failed: Option<()> =
            index.attempt("read", |_| Err(sled::Error::Unsupported("a test".to_owned())));
        assert_eq!((failed, index.is_kept(), index.get(b"key")), (None, false, None));
        drop(index);
        let index = RebuildableIndex::open(&directory);
        assert!(index.is_kept());
        assert_eq!(index.get(b"key"), None, "nothing of the failed one is left");
    }
}
