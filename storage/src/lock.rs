//! One process a directory: a lock file that says who holds it.
//!
//! The lock is the kernel's (`flock`), so it is gone the moment its holder dies, however it dies. The text in
//! the file is for people and for second processes: the holder's pid on the first line, a free note on the
//! second. The note is read without the lock, so it may be stale when nobody holds the directory;
//! [`DirectoryLock::holder`] tells the two apart.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{DisplayPath, Error, Holder, Result};

/// Longest lock file that is read; a longer one is not ours.
const MAX_TEXT_BYTES: u64 = 4096;

/// How long to wait for a lock whose file names this process.
const OWN_LOCK_WAIT: Duration = Duration::from_millis(500);

/// Exclusive use of a directory until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
    path: PathBuf,
}

impl DirectoryLock {
    /// Takes `directory/file_name`, creating it when it is missing, and writes this process's pid and `note`.
    ///
    /// A directory that is held already is [`Error::Locked`] with the holder's pid and note.
    pub fn acquire(directory: &Path, file_name: &str, note: &str) -> Result<Self> {
        let path = directory.join(file_name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io("open the lock file", &path, e))?;
        match try_lock(&file, &path) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    directory: DisplayPath(directory.to_owned()),
                    holder: read_holder(&path).unwrap_or_default(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
        }
        let lock = Self { file, path };
        lock.set_note(note)?;
        Ok(lock)
    }

    /// Replaces the note, for instance once the server knows its address. Line breaks become spaces.
    pub fn set_note(&self, note: &str) -> Result<()> {
        let note = note.replace(['\n', '\r'], " ");
        let text = format!("{}\n{note}\n", std::process::id());
        let write = |mut file: &File| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())?;
            file.set_len(text.len() as u64)
        };
        write(&self.file).map_err(|e| Error::io("write the lock file", &self.path, e))
    }

    /// Who holds `directory/file_name` right now; `None` when nobody does.
    pub fn holder(directory: &Path, file_name: &str) -> Result<Option<Holder>> {
        let path = directory.join(file_name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("open the lock file", &path, e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&path).unwrap_or_default())),
            Err(TryLockError::Error(e)) => Err(Error::io("look at the lock of", &path, e)),
        }
    }
}

/// Takes the lock.
fn try_lock(file: &File, path: &Path) -> std::result::Result<(), TryLockError> {
    // A child process inherits the open files of this one, its locks too, and keeps them until it executes its program.
    // So when the lock file names this process, the lock may be free in a moment.
    let begun = Instant::now();
    loop {
        let locked = file.try_lock();
        let own = || read_holder(path).is_some_and(|holder| holder.pid == Some(std::process::id()));
        if !matches!(locked, Err(TryLockError::WouldBlock)) || begun.elapsed() > OWN_LOCK_WAIT || !own() {
            return locked;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.trim().parse().ok());
    Some(Holder { pid, note: lines.next().unwrap_or_default().to_owned() })
}
