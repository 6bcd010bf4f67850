//! Whether files are still those that were opened.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// File systems date changes in steps of a few milliseconds, so that a change within the same step shows nothing new.
const SETTLED: Duration = Duration::from_millis(20);
/// A file that goes on changing is waited for this often.
const WAITS: usize = 5;

/// What a change of files shows in: their lengths, their dates, and which files they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<(PathBuf, Option<Facts>)>);

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of files, some of which may be missing, such that any later change makes another stamp.
    pub(super) fn settled(files: &[PathBuf]) -> Self {
        let mut stamp = Self::now(files);
        for _ in 0..WAITS {
            if !stamp.is_fresh() {
                break;
            }
            thread::sleep(SETTLED);
            stamp = Self::now(files);
        }
        stamp
    }

    fn now(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|file| (file.clone(), facts(file))).collect())
    }

    /// Whether the files are as they were.
    pub(super) fn is_current(&self) -> bool {
        self.0.iter().all(|(file, known)| facts(file) == *known)
    }

    fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.iter().filter_map(|(_, facts)| *facts).any(|facts| {
            let newest = facts.modified.max(facts.changed);
            let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(newest.0), u32::try_from(newest.1)) else {
                return false;
            };
            now.checked_sub(Duration::new(seconds, nanoseconds)).is_some_and(|age| age < SETTLED)
        })
    }
}

fn facts(file: &Path) -> Option<Facts> {
    let facts = |metadata: Metadata| Facts {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    fs::metadata(file).ok().map(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_file_shows() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let files = [file("a"), file("absent")];
        fs::write(file("a"), "one").unwrap();
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(file("a"), "two").unwrap(),
            &|| fs::File::options().write(true).open(file("a")).unwrap().set_len(1).unwrap(),
            &|| fs::write(file("b"), "t").unwrap(),
            &|| fs::rename(file("b"), file("a")).unwrap(),
            &|| fs::write(file("absent"), "").unwrap(),
            &|| fs::remove_file(file("a")).unwrap(),
        ];
        for (at, change) in changes.iter().enumerate() {
            let stamp = Stamp::settled(&files);
            assert!(stamp.is_current());
            change();
            // The third change is of a file that is not asked about.
            assert_eq!(stamp.is_current(), at == 2, "change {at}");
        }
    }
}
