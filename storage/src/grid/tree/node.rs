//! Nodes as they are stored: reading them, looking keys up and visiting leaves.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::grid::format::node::{Branch, Leaf, MAX_HEIGHT, decode_branch, decode_leaf, find_in_leaf};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::Value;
use crate::grid::objects::source::Source;

/// A node, decoded.
#[derive(Debug)]
pub(crate) enum Node {
    /// Keys and values.
    Leaf(Leaf),
    /// A height above the leaves, and children.
    Branch(u8, Branch),
}

/// Reads a node that must be one level lower than `below`; [`ROOT`] lets any node be a root.
pub(crate) fn read_node(source: &dyn Source, node: &Ref, below: u8) -> Result<Node> {
    let what = "a node of the tree";
    let bytes = source.bytes(node, what)?;
    let refuse = |reason| source.malformed(node, what, reason);
    if bytes.first() == Some(&Kind::Leaf.code()) {
        if below != ROOT && below != 1 {
            return Err(refuse("a leaf is too high"));
        }
        return decode_leaf(&bytes).map(Node::Leaf).map_err(|reason| source.refused_leaf(node, what, reason));
    }
    let (height, children) = decode_branch(&bytes).map_err(refuse)?;
    if below != ROOT && height.checked_add(1) != Some(below) {
        return Err(refuse("a branch is on the wrong level"));
    }
    Ok(Node::Branch(height, children))
}

/// The limit of a root's height.
pub(crate) const ROOT: u8 = MAX_HEIGHT + 1;

/// The value of a key.
pub(crate) fn get(source: &dyn Source, root: &Ref, key: &[u8]) -> Result<Option<Value>> {
    let mut node = *root;
    let mut below = ROOT;
    if node.is_null() {
        return Ok(None);
    }
    loop {
        if below == 1 {
            let bytes = source.object(&node, Kind::Leaf)?;
            return find_in_leaf(&bytes, key)
                .map_err(|reason| source.refused_leaf(&node, Kind::Leaf.name(), reason));
        }
        match read_node(source, &node, below)? {
            Node::Leaf(entries) => {
                let found = entries.binary_search_by(|(k, _)| k.as_slice().cmp(key)).ok();
                return Ok(found.and_then(|index| entries.into_iter().nth(index)).map(|(_, value)| value));
            }
            Node::Branch(height, children) => {
                let after = children.partition_point(|(first, _)| first.as_slice() <= key);
                let Some((_, child)) = children.get(after.saturating_sub(1)) else {
                    return Ok(None);
                };
                node = *child;
                below = height;
            }
        }
    }
}

/// Visits keys at or after `from` in order until told to stop.
pub(crate) fn scan(
    source: &dyn Source,
    root: &Ref,
    from: &[u8],
    visit: &mut dyn FnMut(Vec<u8>, Value) -> Result<ControlFlow<()>>,
) -> Result<()> {
    if root.is_null() {
        return Ok(());
    }
    scan_below(source, root, ROOT, from, visit).map(drop)
}

fn scan_below(
    source: &dyn Source,
    node: &Ref,
    below: u8,
    from: &[u8],
    visit: &mut dyn FnMut(Vec<u8>, Value) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    match read_node(source, node, below)? {
        Node::Leaf(entries) => {
            let skipped = entries.partition_point(|(key, _)| key.as_slice() < from);
            for (key, value) in entries.into_iter().skip(skipped) {
                if visit(key, value)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Node::Branch(height, children) => {
            let after = children.partition_point(|(first, _)| first.as_slice() <= from);
            for (_, child) in children.iter().skip(after.saturating_sub(1)) {
                if scan_below(source, child, height, from, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// A node of a tree, and which keys lie under it.
#[derive(Clone, Debug)]
pub(crate) struct Subtree {
    pub(crate) node: Ref,
    /// The height above it.
    pub(crate) below: u8,
    /// The lowest key that can be there.
    pub(crate) low: Vec<u8>,
    /// The lowest key after it.
    pub(crate) high: Option<Vec<u8>>,
}

impl Subtree {
    /// The whole tree; none when it is empty.
    pub(crate) fn whole(root: &Ref) -> Vec<Self> {
        let whole = Self { node: *root, below: ROOT, low: Vec::new(), high: None };
        (!root.is_null()).then_some(whole).into_iter().collect()
    }

    /// The children of its branch. The first one also takes what is lower than its key.
    pub(crate) fn children(&self, height: u8, branch: Branch) -> Vec<Self> {
        let ends: Vec<_> = branch.iter().skip(1).map(|(key, _)| Some(key.clone())).collect();
        let ends = ends.into_iter().chain([self.high.clone()]);
        let children = branch.into_iter().zip(ends).enumerate();
        children
            .map(|(position, ((key, node), high))| Self {
                node,
                below: height,
                low: if position == 0 { self.low.clone() } else { key },
                high,
            })
            .collect()
    }
}

/// Whether any of the keys from the first one on and before the second may be wanted.
type Wanted<'a> = &'a dyn Fn(&[u8], Option<&[u8]>) -> bool;

/// Visits the leaves of a tree. Nodes whose keys, from `low` on and below `high`, are not `wanted(low, high)` are not
/// read.
pub(crate) fn for_each_leaf(
    source: &dyn Source,
    root: &Ref,
    wanted: Wanted<'_>,
    visit: &mut dyn FnMut(Leaf) -> Result<()>,
) -> Result<()> {
    let mut open = Subtree::whole(root);
    while let Some(subtree) = open.pop() {
        if !wanted(&subtree.low, subtree.high.as_deref()) {
            continue;
        }
        match read_node(source, &subtree.node, subtree.below)? {
            Node::Leaf(entries) => visit(entries)?,
            Node::Branch(height, branch) => open.extend(subtree.children(height, branch).into_iter().rev()),
        }
    }
    Ok(())
}

/// The objects that a value owns.
pub(crate) fn value_children(value: &Value) -> &[Ref] {
    match value {
        Value::Blob { pieces, .. } => &pieces.children,
        Value::Matrix(record) => &record.chunks.children,
        Value::Version(record) => std::slice::from_ref(&record.root),
        Value::Inline(_) | Value::Adapter(_) | Value::Tag(_) => &[],
    }
}
