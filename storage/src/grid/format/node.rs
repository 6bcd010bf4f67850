//! Nodes of the copy-on-write B+ trees.
//!
//! ```text
//! leaf                                 branch
//!   0 | kind 1                | 1        0 | kind 2                | 1
//!   1 | 0                     | 1        1 | height, 1 over leaves | 1
//!   2 | number of entries     | 2        2 | number of children    | 2
//!   4 | entries, one by one:  |          4 | children, one by one: |
//!     |   length of the key   | 2          |   length of the key   | 2
//!     |   length of the value | 2          |   key                 | n
//!     |   key                 | n          |   reference           | 24
//!     |   value               | m
//! ```
//!
//! Keys rise. The key of a child is a lower bound of the keys under it; the first child also takes what is lower.

use super::cursor::{Cursor, Encoder};
use super::object::{Decoded, Kind};
use super::reference::Ref;
use super::value::{LeafError, Value};
use crate::error::Result;
use crate::integer::field_u16;

/// A node is split when it would be longer than this.
pub(crate) const NODE_BYTES: usize = 4096;
/// Deeper trees do not occur; it bounds recursion over hostile files.
pub(crate) const MAX_HEIGHT: u8 = 12;

/// Bytes before the entries of a leaf and before the children of a branch.
pub(crate) const NODE_HEADER_BYTES: usize = 4;
/// Bytes of an entry of a leaf beside its key and its value.
pub(crate) const ENTRY_HEADER_BYTES: usize = 4;
/// Bytes of a child of a branch beside its key.
pub(crate) const CHILD_BYTES: usize = 2 + Ref::BYTES;

/// Keys and values of a leaf, in order of keys.
pub(crate) type Leaf = Vec<(Vec<u8>, Value)>;
/// First keys and children of a branch, in order; a key is a lower bound of what its child holds.
pub(crate) type Branch = Vec<(Vec<u8>, Ref)>;

pub(crate) fn encode_leaf(entries: &[(Vec<u8>, Value)]) -> Result<Vec<u8>> {
    let mut out = Encoder::with_capacity(NODE_BYTES);
    out.u8(Kind::Leaf.code()).u8(0).u16(field_u16(entries.len(), "the number of entries of a leaf")?);
    let mut value_bytes = Encoder::with_capacity(64);
    for (key, value) in entries {
        value_bytes.bytes.clear();
        value.encode(&mut value_bytes);
        let value_bytes = &value_bytes.bytes;
        out.u16(field_u16(key.len(), "the length of a key")?);
        out.u16(field_u16(value_bytes.len(), "the length of a value")?).raw(key).raw(value_bytes);
    }
    Ok(out.bytes)
}

pub(crate) fn decode_leaf(bytes: &[u8]) -> Result<Leaf, LeafError> {
    let mut input = Cursor::new(bytes);
    if input.u8()? != Kind::Leaf.code() {
        return Err(LeafError::Malformed("it is not a leaf"));
    }
    input.u8()?;
    let count = input.u16()?;
    let mut entries: Leaf = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (key_len, value_len) = (input.u16()?, input.u16()?);
        let key = input.take(usize::from(key_len))?;
        let value = Value::decode(input.take(usize::from(value_len))?)?;
        if entries.last().is_some_and(|(last, _)| last.as_slice() >= key) {
            return Err(LeafError::Malformed("a leaf's keys are out of order"));
        }
        entries.push((key.to_vec(), value));
    }
    if input.is_empty() {
        Ok(entries)
    } else {
        Err(LeafError::Malformed("a leaf is longer than its entries"))
    }
}

/// Looks up one key without decoding the other values.
pub(crate) fn find_in_leaf(bytes: &[u8], wanted: &[u8]) -> Result<Option<Value>, LeafError> {
    let mut input = Cursor::new(bytes);
    if input.u8()? != Kind::Leaf.code() {
        return Err(LeafError::Malformed("it is not a leaf"));
    }
    input.u8()?;
    for _ in 0..input.u16()? {
        let (key_len, value_len) = (input.u16()?, input.u16()?);
        let key = input.take(usize::from(key_len))?;
        let value = input.take(usize::from(value_len))?;
        match key.cmp(wanted) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Value::decode(value).map(Some),
            std::cmp::Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

/// `height` is 1 for the branch above the leaves.
pub(crate) fn encode_branch(height: u8, children: &[(Vec<u8>, Ref)]) -> Result<Vec<u8>> {
    let mut out = Encoder::with_capacity(NODE_BYTES);
    out.u8(Kind::Branch.code()).u8(height);
    out.u16(field_u16(children.len(), "the number of children of a branch")?);
    for (key, child) in children {
        out.u16(field_u16(key.len(), "the length of a key")?).raw(key);
        child.encode(&mut out);
    }
    Ok(out.bytes)
}

/// The height and the children.
pub(crate) fn decode_branch(bytes: &[u8]) -> Decoded<(u8, Branch)> {
    let mut input = Cursor::new(bytes);
    if input.u8()? != Kind::Branch.code() {
        return Err("it is not a branch");
    }
    let height = input.u8()?;
    if height == 0 || height > MAX_HEIGHT {
        return Err("a branch has an impossible height");
    }
    let count = input.u16()?;
    if count == 0 {
        return Err("a branch has no children");
    }
    let mut children: Branch = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let key_len = input.u16()?;
        let key = input.take(usize::from(key_len))?.to_vec();
        let child = Ref::decode(&mut input)?;
        if child.is_null() || children.last().is_some_and(|(last, _)| *last >= key) {
            return Err("a branch's children are out of order or missing");
        }
        children.push((key, child));
    }
    if input.is_empty() { Ok((height, children)) } else { Err("a branch is longer than its children") }
}
