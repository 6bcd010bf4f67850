//! Read-only memory maps of model files.
#![expect(unsafe_code, reason = "mapping a file is unsafe in every binding; the argument stands at the call")]

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// A whole file, mapped read-only; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct MappedFile(Arc<Mmap>);

impl MappedFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::invalid(path, "is not a file"));
        }
        if metadata.len() == 0 {
            return Err(Error::invalid(path, "is empty"));
        }
        // SAFETY: the map is private and read-only, so this program never writes through it. Another process
        // could change or truncate the file meanwhile; model files are replaced by rename, never edited in
        // place, and llama.cpp's own maps of the same files rest on the same rule. Every byte pattern is a
        // valid `u8`, so what is read stays well defined for the type.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        Ok(Self(Arc::new(map)))
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
