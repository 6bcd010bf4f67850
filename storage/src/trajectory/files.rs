//! The names of a log's files.

use std::fs;
use std::path::{Path, PathBuf};

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
    pub(super) set_aside: Vec<PathBuf>,
    /// What interrupted replacements left.
    left_over: Vec<PathBuf>,
}

impl Listing {
    /// Lists a directory that nobody else uses, and removes what an interrupted replacement left.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let listing = Self::look(directory)?;
        for path in &listing.left_over {
            fs::remove_file(path).map_err(|e| Error::io("remove", path, e))?;
        }
        Ok(listing)
    }

    /// Lists a directory. Files of other names are not ours.
    pub(super) fn look(directory: &Path) -> Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(directory).map_err(|e| Error::io("list", directory, e))? {
            let entry = entry.map_err(|e| Error::io("list", directory, e))?;
            let (name, path) = (entry.file_name(), entry.path());
            let Some((stem, rest)) = name.to_str().and_then(|name| name.split_once(SEGMENT)) else {
                continue;
            };
            let Some(number) = Some(stem).filter(|stem| stem.len() == 20).and_then(|stem| stem.parse().ok())
            else {
                continue;
            };
            if rest.is_empty() {
                listing.segments.push(number);
            } else if rest.starts_with(SET_ASIDE) {
                listing.set_aside.push(path);
            } else if rest == REPLACEMENT {
                listing.left_over.push(path);
            }
        }
        listing.segments.sort_unstable();
        listing.set_aside.sort_unstable();
        Ok(listing)
    }
}

pub(super) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}{SEGMENT}"))
}

pub(super) fn replacement_path(segment: &Path) -> PathBuf {
    with_suffix(segment, REPLACEMENT)
}

/// Gives a segment a name under which it is kept and not read, and returns that.
pub(super) fn set_aside(segment: &Path) -> Result<PathBuf> {
    let mut path = with_suffix(segment, SET_ASIDE);
    let mut count = 1u32;
    while path.exists() {
        count += 1;
        path = with_suffix(segment, &format!("{SET_ASIDE}.{count}"));
    }
    fs::rename(segment, &path).map_err(|e| Error::io("set aside", segment, e))?;
    Ok(path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
