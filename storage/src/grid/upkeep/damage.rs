//! What is damaged, and what it held.

use std::fmt;

use crate::grid::tree::keys::{split_matrix_key, split_pair_key};

/// A damaged object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins in `grid.data`.
    pub offset: u64,
    /// Its length; 0 when only its offset is known.
    pub bytes: u32,
    /// What it is: `chunk 3 of support@2/0/q_proj/A`.
    pub what: String,
    /// What it held, in parts.
    pub held: Held,
    /// How it is known to be damaged.
    pub reason: String,
}

/// What an object belongs to, from the adapter down. `None` below a name means all of it. Of several versions that share
/// the object, one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The adapter; `None` is what belongs to no adapter alone.
    pub adapter: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The layer; what belongs to no layer has a number that no layer has.
    pub layer: Option<u32>,
    /// The module by its name in the model's files: `q_proj`.
    pub module: Option<String>,
    /// Which matrix of the module: `A`, `B`, `delta`.
    pub matrix: Option<String>,
}

impl Held {
    /// The version of this key of the main tree.
    pub(crate) fn version(key: &[u8]) -> Self {
        let (adapter, version) = split_pair_key(key).ok().unzip();
        Self { adapter, version, ..Self::default() }
    }

    /// The matrix of this key of the version's tree.
    pub(crate) fn matrix(&self, key: &[u8]) -> Self {
        let mut held = self.clone();
        if let Ok((layer, module, matrix)) = split_matrix_key(key) {
            (held.layer, held.module, held.matrix) = (Some(layer), Some(module), Some(matrix));
        }
        held
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(adapter), Some(version)) = (&self.adapter, &self.version) else {
            return f.write_str("the main tree");
        };
        write!(f, "{adapter}@{version}")?;
        match (&self.layer, &self.module, &self.matrix) {
            (Some(layer), Some(module), Some(matrix)) => write!(f, "/{layer}/{module}/{matrix}"),
            _ => Ok(()),
        }
    }
}
