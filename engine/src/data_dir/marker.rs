//! `hyprstream.json`: which version a data directory has, and whether it is complete.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data_dir::files::replace_file;
use crate::error::{Error, Result};
use crate::json::to_json;

pub(crate) const MARKER_FILE: &str = "hyprstream.json";
/// What it is called while it is written.
pub(super) const NEW_MARKER_FILE: &str = "hyprstream.json.new";
/// The version that this program makes.
pub(crate) const VERSION: u64 = 2;

/// What `hyprstream.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marker {
    pub(crate) version: u64,
    /// What was begun and has not ended, be it because it was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unfinished: Option<Unfinished>,
}

/// Why a directory is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unfinished {
    /// It is made for the first time, and nothing is in it yet.
    New,
    /// A backup is restored into it.
    Restore,
    /// What is whole of another directory is copied into it.
    Salvage,
    /// It becomes a backup.
    Backup,
}

/// What there is of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MarkerFile {
    Missing,
    Damaged,
    Whole(Marker),
}

impl Marker {
    /// That of a directory of this version that is complete.
    pub(crate) const COMPLETE: Self = Self { version: VERSION, unfinished: None };

    pub(crate) fn unfinished(why: Unfinished) -> Self {
        Self { version: VERSION, unfinished: Some(why) }
    }

    pub(crate) fn read(data_dir: &Path) -> Result<MarkerFile> {
        let path = data_dir.join(MARKER_FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(MarkerFile::Damaged, MarkerFile::Whole)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(MarkerFile::Missing),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Puts it into a directory in place of an earlier one. It is durable when this returns.
    pub(crate) fn write(&self, data_dir: &Path) -> Result<()> {
        replace_file(data_dir, NEW_MARKER_FILE, MARKER_FILE, &to_json(self)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{MARKER_FILE, Marker, MarkerFile, Unfinished};

    #[test]
    fn a_marker_is_read_as_it_was_written_and_a_damaged_one_is_known() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Marker::read(directory.path()).unwrap(), MarkerFile::Missing);
        let unfinished = Marker::unfinished(Unfinished::Restore);
        for marker in [unfinished, Marker::COMPLETE] {
            marker.write(directory.path()).unwrap();
            assert_eq!(Marker::read(directory.path()).unwrap(), MarkerFile::Whole(marker));
        }
        let path = directory.path().join(MARKER_FILE);
        assert_eq!(fs::read(&path).unwrap(), br#"{"version":2}"#);
        for damaged in
            [&b""[..], b"{\"version\":2", b"{\"versinn\":2}", b"{\"version\":2,\"unfinishec\":\"new\"}"]
        {
            fs::write(&path, damaged).unwrap();
            assert_eq!(Marker::read(directory.path()).unwrap(), MarkerFile::Damaged);
        }
    }
}
