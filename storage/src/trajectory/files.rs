//! The names of a log's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::{StorageBackend, StorageDirectory};
use crate::error::{Error, Result};

const SEGMENT: &str = ".log";
/// Suffix of a segment whose header was damaged: it is kept and not read.
const SET_ASIDE: &str = ".damaged";
/// Suffix of the file that is about to replace a segment.
const REPLACEMENT: &str = ".new";

/// What is in a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Numbers of the segments, in order.
    pub(super) segments: Vec<u64>,
    /// Segments that were set aside.
    pub(super) set_aside: Vec<SetAside>,
    /// What interrupted replacements left.
    left_over: Vec<String>,
}

/// A segment that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SetAside {
    pub(super) name: String,
    /// The number that it had.
    pub(super) number: u64,
}

impl Listing {
    /// Lists a directory that nobody else uses, and removes what an interrupted replacement left.
    pub(super) fn read(directory: &dyn StorageDirectory) -> Result<Self> {
        let listing = Self::look(directory)?;
        for name in &listing.left_over {
            let removed = directory.remove(name);
            removed.map_err(|e| Error::io("remove", &directory.path().join(name), e))?;
        }
        Ok(listing)
    }

    /// Lists a directory. Files of other names are not ours.
    pub(super) fn look(directory: &dyn StorageDirectory) -> Result<Self> {
        let mut listing = Self::default();
        for name in directory.list().map_err(|e| Error::io("list", directory.path(), e))? {
            let Some((stem, rest)) = name.split_once(SEGMENT) else {
                continue;
            };
            let Some(number) = Some(stem).filter(|stem| stem.len() == 20).and_then(|stem| stem.parse().ok())
            else {
                continue;
            };
            if rest.is_empty() {
                listing.segments.push(number);
            } else if rest.starts_with(SET_ASIDE) {
                listing.set_aside.push(SetAside { name, number });
            } else if rest == REPLACEMENT {
                listing.left_over.push(name);
            }
        }
        listing.segments.sort_unstable();
        listing.set_aside.sort_unstable();
        Ok(listing)
    }
}

pub(super) fn segment_name(number: u64) -> String {
    format!("{number:020}{SEGMENT}")
}

pub(super) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(segment_name(number))
}

pub(super) fn replacement_name(number: u64) -> String {
    format!("{}{REPLACEMENT}", segment_name(number))
}

/// Opens a segment for reading.
pub(super) fn open_segment(directory: &dyn StorageDirectory, number: u64) -> Result<Arc<dyn StorageBackend>> {
    open_file(directory, &segment_name(number))
}

/// Opens a file that is there, for reading.
pub(super) fn open_file(directory: &dyn StorageDirectory, name: &str) -> Result<Arc<dyn StorageBackend>> {
    directory.open_existing(name).map_err(|e| Error::io("open", &directory.path().join(name), e))
}

/// Its length.
pub(super) fn length(file: &dyn StorageBackend) -> Result<u64> {
    file.len().map_err(|e| Error::io("measure", file.path(), e))
}

/// Gives a segment a name under which it is kept and not read, and returns that.
pub(super) fn set_aside(directory: &dyn StorageDirectory, number: u64) -> Result<SetAside> {
    let segment = segment_name(number);
    let failed = |e| Error::io("set aside", &directory.path().join(&segment), e);
    let mut name = format!("{segment}{SET_ASIDE}");
    let mut count = 1u32;
    while directory.contains(&name).map_err(failed)? {
        count += 1;
        name = format!("{segment}{SET_ASIDE}.{count}");
    }
    directory.rename(&segment, &name).map_err(failed)?;
    Ok(SetAside { name, number })
}
