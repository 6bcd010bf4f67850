//! Reading the small text files of a model directory.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// Larger text files than this are refused unread; the largest real tokenizers have some tens of megabytes.
const MAX_TEXT: u64 = 256 << 20;

pub(super) fn json(bytes: &[u8], file: &Path) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(file, format!("is not valid JSON: {error}")))
}

/// The bytes of a file that a model must have.
pub(super) fn required(directory: &Path, name: &str) -> Result<Vec<u8>> {
    optional(directory, name)?.ok_or_else(|| Error::invalid(directory, format!("holds no {name}")))
}

/// The bytes of a file that a model may have.
pub(super) fn optional(directory: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = directory.join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    let metadata = file.metadata().map_err(Error::io("read", &path))?;
    if !metadata.is_file() || metadata.len() > MAX_TEXT {
        return Err(Error::invalid(&path, "is not a file of reasonable size"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_TEXT).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    Ok(Some(bytes))
}
