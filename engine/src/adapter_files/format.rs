//! The formats of adapter files, and how a file is refused.

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How the weights are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AdapterFormat {
    /// A `NanoVDB` float grid whose active voxels are the active weights.
    #[default]
    Nvdb,
}

impl FromStr for AdapterFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "nvdb" => Ok(Self::Nvdb),
            _ => Err(Error::text_argument("format", name, "the format is nvdb")),
        }
    }
}

/// The error for a file that is not an adapter of this model.
pub(super) fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::text_argument("path", &path.display().to_string(), reason)
}
