//! What is in a directory that is about to be opened: nothing, all of a data directory, or not all of it.

use std::fs;
use std::path::Path;

use crate::data_dir::files::is_there;
use crate::data_dir::lost_found;
use crate::data_dir::marker::{Marker, MarkerFile, Unfinished, VERSION};
use crate::data_dir::{
    BACKUP_FILE, FILES, GRID_FILE, LOST_FOUND, MODELS, TABLES, TRAJECTORIES, VERSION_1_CATALOG,
};
use crate::error::{Error, Result};

/// What without which a data directory is not whole.
const NEEDED: [&str; 5] = [GRID_FILE, TRAJECTORIES, TABLES, MODELS, FILES];

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing, or what is left of the attempt to make a new data directory.
    New,
    /// Every part of a directory of this version.
    Complete,
    /// Every part, but no `hyprstream.json` that can be used: the weight store knows which version it is.
    Unmarked,
}

impl Contents {
    /// Looks at a directory, which exists, and changes nothing. One that has lost a part is an error that names it.
    pub(crate) fn of(data_dir: &Path) -> Result<Self> {
        if is_there(&data_dir.join(BACKUP_FILE))? {
            let reason = "it is a backup and stays as it is; hyprstream restore makes a data directory of it";
            return Err(Error::Refused(format!("{} is not opened: {reason}", data_dir.display())));
        }
        match Marker::read(data_dir)? {
            MarkerFile::Whole(Marker { version: VERSION, unfinished }) => match unfinished {
                None => expect_all(data_dir).map(|()| Self::Complete),
                Some(Unfinished::New) => Ok(Self::New),
                Some(Unfinished::Restore) => Err(cut_short(data_dir, "hyprstream restore")),
                Some(Unfinished::Salvage) => Err(cut_short(data_dir, "hyprstream salvage")),
                Some(Unfinished::Backup) => Err(cut_short(data_dir, "hyprstream backup")),
            },
            // A directory of another version may have other parts.
            MarkerFile::Whole(Marker { version, .. }) if !is_there(&data_dir.join(GRID_FILE))? => {
                Err(other_version(data_dir, version))
            }
            MarkerFile::Missing if is_new(data_dir)? => Ok(Self::New),
            _ => expect_all(data_dir).map(|()| Self::Unmarked),
        }
    }
}

/// The error for a directory of a version that this program does not know.
pub(crate) fn other_version(data_dir: &Path, version: u64) -> Error {
    let known = format!("this program opens versions 1 and {VERSION}");
    Error::Refused(format!("{} is a data directory of version {version}; {known}", data_dir.display()))
}

/// The error for a directory that has lost parts.
pub(crate) fn parts_lost(data_dir: &Path, lost: &[&str]) -> Error {
    let advice = "put back what is missing, or restore a backup (hyprstream restore), or keep what is left in a new \
                  directory (hyprstream salvage)";
    let lost = lost.join(", ");
    Error::Corrupt(format!("the data directory {} has lost {lost}; {advice}", data_dir.display()))
}

fn cut_short(data_dir: &Path, command: &str) -> Error {
    let reason = format!("{command} that made it did not end; remove it and run that again");
    Error::Refused(format!("{} is not complete: the {reason}", data_dir.display()))
}

fn expect_all(data_dir: &Path) -> Result<()> {
    let mut lost = Vec::new();
    for part in NEEDED {
        if !is_there(&data_dir.join(part))? {
            lost.push(part);
        }
    }
    if lost.is_empty() { Ok(()) } else { Err(parts_lost(data_dir, &lost)) }
}

/// Whether a directory has no part of a data directory but those that its user may have filled before the first start.
/// Files of others are no reason against it.
fn is_new(data_dir: &Path) -> Result<bool> {
    for entry in fs::read_dir(data_dir).map_err(Error::io("list", data_dir))? {
        let name = entry.map_err(Error::io("list", data_dir))?.file_name();
        match name.to_string_lossy().as_ref() {
            // That of a file system whose root this is has no days.
            LOST_FOUND if !lost_found::has_days(data_dir) => {}
            TRAJECTORIES | TABLES | VERSION_1_CATALOG | "grid" | "cache" | "index" | LOST_FOUND => {
                return Ok(false);
            }
            _ => {}
        }
    }
    Ok(true)
}
