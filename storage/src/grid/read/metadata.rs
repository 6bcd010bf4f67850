//! Reading metadata values, and of many as many as can be read.

use crate::error::{Error, Result};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::{BLOB_HEADER_BYTES, Value};
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table;
use crate::grid::tree::keys::split_name_key;
use crate::grid::tree::node::{Node, Subtree, read_node};

/// What is below a prefix of the metadata, as far as it can be read.
#[derive(Debug)]
pub struct ReadableMetadata<T> {
    /// The entries whose keys can be read, in the order of these.
    pub entries: Vec<(Vec<u8>, T)>,
    /// The errors of damaged nodes, under each of which there may have been more entries.
    pub damages: Vec<Error>,
}

/// Reads what is below `prefix`, a key of the tree, going on after a damaged node.
pub(crate) fn scan_readable<T>(
    source: &dyn Source,
    root: &Ref,
    prefix: &[u8],
    read: &dyn Fn(Value) -> T,
) -> Result<ReadableMetadata<T>> {
    let mut found = ReadableMetadata { entries: Vec::new(), damages: Vec::new() };
    let mut open = Subtree::whole(root);
    while let Some(subtree) = open.pop() {
        if !may_begin_with(prefix, &subtree) {
            continue;
        }
        match read_node(source, &subtree.node, subtree.below) {
            Ok(Node::Leaf(entries)) => {
                for (key, value) in entries.into_iter().filter(|(key, _)| key.starts_with(prefix)) {
                    let name = split_name_key(&key);
                    let name = name.map_err(|why| source.malformed(&subtree.node, "a leaf", why))?;
                    found.entries.push((name.to_vec(), read(value)));
                }
            }
            Ok(Node::Branch(height, branch)) => {
                open.extend(subtree.children(height, branch).into_iter().rev());
            }
            Err(error @ Error::Corrupt { .. }) => found.damages.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether a key under this node can begin so.
fn may_begin_with(prefix: &[u8], subtree: &Subtree) -> bool {
    let begins_early = subtree.low.as_slice() <= prefix || subtree.low.starts_with(prefix);
    begins_early && subtree.high.as_ref().is_none_or(|high| high.as_slice() > prefix)
}

/// The bytes of a metadata value.
pub(crate) fn read_value(source: &dyn Source, value: Value) -> Result<Vec<u8>> {
    let (len, pieces) = match value {
        Value::Inline(bytes) => return Ok(bytes),
        Value::Blob { len, pieces } => (len, pieces),
        _ => return Err(Error::internal("a metadata key holds something else")),
    };
    let mut bytes = Vec::new();
    for piece in read_table(source, &pieces)? {
        let object = source.object(&piece, Kind::Blob)?;
        let content = object.get(BLOB_HEADER_BYTES..);
        bytes.extend_from_slice(
            content.ok_or_else(|| source.malformed(&piece, Kind::Blob.name(), "it is too short"))?,
        );
    }
    if bytes.len() as u64 == len {
        return Ok(bytes);
    }
    let first = pieces.children.first().copied().unwrap_or(Ref::NULL);
    Err(source.malformed(&first, "a metadata value", "its pieces do not add up to its length"))
}
