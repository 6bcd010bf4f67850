//! `lost+found`: files that nothing refers to, by the day on which they were found.
//!
//! Nothing that may be somebody's rows is deleted because a record of it is missing. It waits here until somebody has the
//! space given back, or for a week.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clock::{day_of, now_micros};
use crate::data_dir::LOST_FOUND;
use crate::data_dir::files::{is_there, sync_directory};
use crate::error::{Error, Result};

const MICROS_A_DAY: i64 = 86_400_000_000;
const KEPT_DAYS: i64 = 7;

/// What was removed of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Moves a file or a directory, named as seen from the data directory, out of its place. Says where it is now.
pub(crate) fn set_aside(data_dir: &Path, part: &Path, why: &str) -> Result<PathBuf> {
    let from = data_dir.join(part);
    let wanted = data_dir.join(LOST_FOUND).join(day_of(now_micros())).join(part);
    let into = wanted.parent().unwrap_or(data_dir);
    fs::create_dir_all(into).map_err(Error::io("make the directory", into))?;
    let mut to = wanted.clone();
    let mut earlier = 0;
    while is_there(&to)? {
        earlier += 1;
        let mut name = wanted.clone().into_os_string();
        name.push(format!(".{earlier}"));
        to = PathBuf::from(name);
    }
    fs::rename(&from, &to).map_err(Error::io("set aside", &from))?;
    sync_directory(into)?;
    sync_directory(from.parent().unwrap_or(data_dir))?;
    tracing::warn!(file = %from.display(), to = %to.display(), why, "set aside");
    Ok(to)
}

/// Removes the days that are older than a week.
pub(crate) fn remove_old(data_dir: &Path) -> Result<Removed> {
    let oldest = day_of(now_micros() - KEPT_DAYS * MICROS_A_DAY);
    remove_days(data_dir, |day| day < oldest.as_str())
}

/// Removes all days.
pub(crate) fn empty(data_dir: &Path) -> Result<Removed> {
    remove_days(data_dir, |_| true)
}

/// Whether something was ever set aside here and is still there.
pub(super) fn has_days(data_dir: &Path) -> bool {
    days(data_dir).is_ok_and(|days| !days.is_empty())
}

fn remove_days(data_dir: &Path, is_due: impl Fn(&str) -> bool) -> Result<Removed> {
    let mut removed = Removed::default();
    for day in days(data_dir)?.into_iter().filter(|day| is_due(day)) {
        let path = data_dir.join(LOST_FOUND).join(&day);
        measure(&path, &mut removed)?;
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        tracing::info!(directory = %path.display(), "removed what was set aside that day");
    }
    Ok(removed)
}

/// The days on which something was set aside. Other directories are not ours.
fn days(data_dir: &Path) -> Result<Vec<String>> {
    let path = data_dir.join(LOST_FOUND);
    let mut days = Vec::new();
    if is_there(&path)? {
        for entry in fs::read_dir(&path).map_err(Error::io("list", &path))? {
            let name = entry.map_err(Error::io("list", &path))?.file_name();
            days.extend(name.into_string().ok().filter(|name| is_day(name)));
        }
    }
    Ok(days)
}

fn is_day(name: &str) -> bool {
    let form = |(position, byte): (usize, u8)| match position {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    name.len() == 10 && name.bytes().enumerate().all(form)
}

fn measure(path: &Path, removed: &mut Removed) -> Result<()> {
    let metadata = fs::symlink_metadata(path).map_err(Error::io("measure", path))?;
    if !metadata.is_dir() {
        removed.files += 1;
        removed.bytes += metadata.len();
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        measure(&entry.map_err(Error::io("list", path))?.path(), removed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Removed, empty, has_days, remove_old, set_aside};
    use crate::clock::{day_of, now_micros};

    #[test]
    fn what_is_set_aside_is_under_its_day_and_two_of_a_name_are_both_kept() {
        let directory = tempfile::tempdir().unwrap();
        let part = Path::new("tables/a.parquet");
        fs::create_dir(directory.path().join("tables")).unwrap();
        for content in ["one", "three"] {
            fs::write(directory.path().join(part), content).unwrap();
            set_aside(directory.path(), part, "a test").unwrap();
        }
        let day = directory.path().join("lost+found").join(day_of(now_micros()));
        assert_eq!(fs::read(day.join(part)).unwrap(), b"one");
        assert_eq!(fs::read(day.join("tables/a.parquet.1")).unwrap(), b"three");
        assert!(!directory.path().join(part).exists() && has_days(directory.path()));
        assert_eq!(remove_old(directory.path()).unwrap(), Removed::default());
        assert_eq!(empty(directory.path()).unwrap(), Removed { files: 2, bytes: 8 });
        assert!(!has_days(directory.path()));
    }

    #[test]
    fn days_older_than_a_week_go_and_what_is_no_day_stays() {
        let directory = tempfile::tempdir().unwrap();
        let lost_found = directory.path().join("lost+found");
        let day = |ago: i64| day_of(now_micros() - ago * super::MICROS_A_DAY);
        for name in [day(8), day(7), day(0), "#1234567".to_owned()] {
            fs::create_dir_all(lost_found.join(name)).unwrap();
        }
        remove_old(directory.path()).unwrap();
        let mut left: Vec<String> = fs::read_dir(&lost_found)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["#1234567".to_owned(), day(7), day(0)]);
    }
}
