//! Keys of the trees.

use crate::error::Result;
use crate::grid::format::object::{Decoded, Malformed};
use crate::grid::path::check_name;

const ADAPTER: u8 = b'a';
const METADATA: u8 = b'm';
const TAG: u8 = b't';
const VERSION: u8 = b'v';
const MALFORMED: Malformed = "a key is not of its kind";

/// Longest metadata key.
pub(crate) const MAX_METADATA_KEY: usize = 1024;

pub(crate) fn metadata_key(key: &[u8]) -> Vec<u8> {
    [&[METADATA], key].concat()
}

/// The name in the key of metadata or of an adapter.
pub(crate) fn split_name_key(key: &[u8]) -> Decoded<&[u8]> {
    key.split_first().map(|(_, name)| name).ok_or(MALFORMED)
}

/// The name in the key of metadata, for messages.
pub(crate) fn display_metadata_key(key: &[u8]) -> String {
    String::from_utf8_lossy(key.strip_prefix(&[METADATA]).unwrap_or(key)).into_owned()
}

pub(crate) fn adapter_prefix() -> Vec<u8> {
    vec![ADAPTER]
}

pub(crate) fn adapter_key(adapter: &str) -> Vec<u8> {
    [&[ADAPTER], adapter.as_bytes()].concat()
}

pub(crate) fn version_prefix(adapter: &str) -> Vec<u8> {
    [&[VERSION], adapter.as_bytes(), &[0]].concat()
}

pub(crate) fn version_key(adapter: &str, version: &str) -> Vec<u8> {
    [&[VERSION], adapter.as_bytes(), &[0], version.as_bytes()].concat()
}

pub(crate) fn tag_prefix(adapter: &str) -> Vec<u8> {
    [&[TAG], adapter.as_bytes(), &[0]].concat()
}

pub(crate) fn tag_key(adapter: &str, tag: &str) -> Vec<u8> {
    [&[TAG], adapter.as_bytes(), &[0], tag.as_bytes()].concat()
}

/// Adapter and version (or tag) of a key.
pub(crate) fn split_pair_key(key: &[u8]) -> Decoded<(String, String)> {
    let (_, names) = key.split_first().ok_or(MALFORMED)?;
    let mut parts = names.splitn(2, |byte| *byte == 0);
    let mut name = || {
        let bytes = parts.next().ok_or(MALFORMED)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| MALFORMED)
    };
    Ok((name()?, name()?))
}

/// The key of a matrix in its version's tree.
pub(crate) fn matrix_key(layer: u32, module: &str, matrix: &str) -> Result<Vec<u8>> {
    check_name("module", module)?;
    check_name("matrix", matrix)?;
    Ok([&layer.to_be_bytes(), module.as_bytes(), &[0], matrix.as_bytes()].concat())
}

/// Layer, module and matrix of a key.
pub(crate) fn split_matrix_key(key: &[u8]) -> Decoded<(u32, String, String)> {
    let (layer, names) = key.split_first_chunk::<4>().ok_or(MALFORMED)?;
    let mut parts = names.splitn(2, |byte| *byte == 0);
    let mut name = || {
        let bytes = parts.next().ok_or(MALFORMED)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| MALFORMED)
    };
    Ok((u32::from_be_bytes(*layer), name()?, name()?))
}
