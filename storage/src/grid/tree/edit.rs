//! Changing trees: touched nodes live in memory until the flush writes them, split to size.

use super::node::{Node, ROOT, get, read_node, value_children};
use crate::error::{Error, Result};
use crate::grid::format::cursor::Encoder;
use crate::grid::format::node::{
    CHILD_BYTES, ENTRY_HEADER_BYTES, Leaf, MAX_HEIGHT, NODE_BYTES, NODE_HEADER_BYTES, encode_branch,
    encode_leaf,
};
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::Value;
use crate::grid::objects::writer::Writer;

/// A leaf in memory is split when it has more entries than this.
const MAX_LEAF_ENTRIES: usize = 256;

/// A tree that is being changed.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root: Option<Link>,
}

#[derive(Debug)]
enum Link {
    Stored(Ref),
    Dirty(Box<Dirty>),
}

/// A node in memory.
#[derive(Debug)]
enum Dirty {
    Leaf(Leaf),
    Branch(u8, Vec<(Vec<u8>, Link)>),
}

impl From<Node> for Dirty {
    fn from(node: Node) -> Self {
        match node {
            Node::Leaf(entries) => Self::Leaf(entries),
            Node::Branch(height, children) => {
                let link = |(key, child)| (key, Link::Stored(child));
                Self::Branch(height, children.into_iter().map(link).collect())
            }
        }
    }
}

impl Tree {
    /// The tree under a stored root, which may be null.
    pub(crate) fn new(root: Ref) -> Self {
        Self { root: (!root.is_null()).then_some(Link::Stored(root)) }
    }

    /// The value of a key as changed so far.
    pub(crate) fn get(&self, writer: &Writer, key: &[u8]) -> Result<Option<Value>> {
        let Some(mut link) = self.root.as_ref() else {
            return Ok(None);
        };
        loop {
            match link {
                Link::Stored(node) => return get(&writer.objects, node, key),
                Link::Dirty(dirty) => match dirty.as_ref() {
                    Dirty::Leaf(entries) => {
                        let found = entries.binary_search_by(|(k, _)| k.as_slice().cmp(key));
                        return Ok(found.ok().and_then(|at| entries.get(at)).map(|(_, value)| value.clone()));
                    }
                    Dirty::Branch(_, children) => {
                        let Some((_, child)) = children.get(child_index(children, key)) else {
                            return Ok(None);
                        };
                        link = child;
                    }
                },
            }
        }
    }

    /// Sets a key and returns the value it replaced, which the caller owns now.
    pub(crate) fn insert(&mut self, writer: &mut Writer, key: &[u8], value: Value) -> Result<Option<Value>> {
        let Some(root) = &mut self.root else {
            self.root = Some(Link::Dirty(Box::new(Dirty::Leaf(vec![(key.to_vec(), value)]))));
            return Ok(None);
        };
        let (old, split) = insert_below(writer, root, ROOT, key, value)?;
        if let Some((second_key, second, height)) = split
            && let Some(first) = self.root.take()
        {
            let children = vec![(Vec::new(), first), (second_key, second)];
            self.root = Some(Link::Dirty(Box::new(Dirty::Branch(height, children))));
        }
        Ok(old)
    }

    /// Removes a key and returns its value, which the caller owns now.
    pub(crate) fn remove(&mut self, writer: &mut Writer, key: &[u8]) -> Result<Option<Value>> {
        if self.get(writer, key)?.is_none() {
            return Ok(None);
        }
        let Some(link) = &mut self.root else {
            return Ok(None);
        };
        let leaf = dirty_leaf(writer, link, key)?;
        let at = leaf.binary_search_by(|(k, _)| k.as_slice().cmp(key));
        Ok(at.ok().map(|at| leaf.remove(at).1))
    }

    /// The value of a key, to change in place.
    pub(crate) fn get_mut(&mut self, writer: &mut Writer, key: &[u8]) -> Result<Option<&mut Value>> {
        let Some(link) = &mut self.root else {
            return Ok(None);
        };
        let leaf = dirty_leaf(writer, link, key)?;
        let at = leaf.binary_search_by(|(k, _)| k.as_slice().cmp(key));
        Ok(at.ok().and_then(|at| leaf.get_mut(at)).map(|(_, value)| value))
    }

    /// Keys that begin with `prefix`, in order, with their values, as changed so far.
    pub(crate) fn collect(&self, writer: &Writer, prefix: &[u8]) -> Result<Leaf> {
        let mut found = Leaf::new();
        if let Some(root) = &self.root {
            collect_below(writer, root, ROOT, prefix, &mut found)?;
        }
        Ok(found)
    }

    /// Writes what was changed and returns the root, null when the tree is empty.
    pub(crate) fn flush(&mut self, writer: &mut Writer) -> Result<Ref> {
        let link = match self.root.take() {
            None => return Ok(Ref::NULL),
            Some(Link::Stored(node)) => {
                *self = Self::new(node);
                return Ok(node);
            }
            Some(dirty) => dirty,
        };
        let mut pieces = flush_below(writer, link)?;
        let mut height = pieces.height;
        while pieces.nodes.len() > 1 {
            height += 1;
            if height > MAX_HEIGHT {
                return Err(Error::internal("the tree is too high"));
            }
            pieces.nodes = put_branches(writer, height, &pieces.nodes)?;
        }
        let root = pieces.nodes.first().map_or(Ref::NULL, |(_, node)| *node);
        *self = Self::new(root);
        Ok(root)
    }
}

fn child_index<T>(children: &[(Vec<u8>, T)], key: &[u8]) -> usize {
    children.partition_point(|(first, _)| first.as_slice() <= key).saturating_sub(1)
}

/// Brings a stored node into memory. Its children belong to the copy in memory alone afterwards.
fn make_dirty<'l>(writer: &mut Writer, link: &'l mut Link, below: u8) -> Result<&'l mut Dirty> {
    if let Link::Stored(stored) = link {
        let node = *stored;
        let decoded = read_node(&writer.objects, &node, below)?;
        let shared = writer.unshare(&node)?;
        if shared {
            match &decoded {
                Node::Leaf(entries) => {
                    for child in entries.iter().flat_map(|(_, value)| value_children(value)) {
                        writer.share(child)?;
                    }
                }
                Node::Branch(_, children) => {
                    for (_, child) in children {
                        writer.share(child)?;
                    }
                }
            }
        } else {
            writer.free(&node)?;
        }
        *link = Link::Dirty(Box::new(decoded.into()));
    }
    match link {
        Link::Dirty(dirty) => Ok(dirty),
        Link::Stored(_) => Err(Error::internal("a node stayed stored")),
    }
}

type Split = Option<(Vec<u8>, Link, u8)>;

/// Inserts. When a leaf becomes too long, its second half is returned with its first key and its parent's height.
fn insert_below(
    writer: &mut Writer,
    link: &mut Link,
    below: u8,
    key: &[u8],
    value: Value,
) -> Result<(Option<Value>, Split)> {
    match make_dirty(writer, link, below)? {
        Dirty::Leaf(entries) => match entries.binary_search_by(|(k, _)| k.as_slice().cmp(key)) {
            Ok(at) => Ok((entries.get_mut(at).map(|(_, old)| std::mem::replace(old, value)), None)),
            Err(at) => {
                entries.insert(at, (key.to_vec(), value));
                if entries.len() <= MAX_LEAF_ENTRIES {
                    return Ok((None, None));
                }
                let second = entries.split_off(entries.len() / 2);
                let first_key = first_key(&second)?;
                Ok((None, Some((first_key, Link::Dirty(Box::new(Dirty::Leaf(second))), 1))))
            }
        },
        Dirty::Branch(height, children) => {
            let at = child_index(children, key);
            let height = *height;
            let Some((_, child)) = children.get_mut(at) else {
                return Err(Error::internal("a branch has no children"));
            };
            let (old, split) = insert_below(writer, child, height, key, value)?;
            if let Some((first_key, second, _)) = split {
                children.insert(at + 1, (first_key, second));
            }
            Ok((old, None))
        }
    }
}

fn dirty_leaf<'l>(writer: &mut Writer, link: &'l mut Link, key: &[u8]) -> Result<&'l mut Leaf> {
    let mut link = link;
    let mut below = ROOT;
    loop {
        match make_dirty(writer, link, below)? {
            Dirty::Leaf(entries) => return Ok(entries),
            Dirty::Branch(height, children) => {
                below = *height;
                let at = child_index(children, key);
                let Some((_, child)) = children.get_mut(at) else {
                    return Err(Error::internal("a branch has no children"));
                };
                link = child;
            }
        }
    }
}

fn collect_below(writer: &Writer, link: &Link, below: u8, prefix: &[u8], found: &mut Leaf) -> Result<()> {
    let stored;
    let dirty = match link {
        Link::Dirty(dirty) => dirty.as_ref(),
        Link::Stored(node) => {
            stored = Dirty::from(read_node(&writer.objects, node, below)?);
            &stored
        }
    };
    match dirty {
        Dirty::Leaf(entries) => {
            found.extend(entries.iter().filter(|(key, _)| key.starts_with(prefix)).cloned());
        }
        Dirty::Branch(height, children) => {
            let first = child_index(children, prefix);
            for (key, child) in children.iter().skip(first) {
                if key.as_slice() > prefix && !key.starts_with(prefix) {
                    break;
                }
                collect_below(writer, child, *height, prefix, found)?;
            }
        }
    }
    Ok(())
}

struct Pieces {
    height: u8,
    nodes: Vec<(Vec<u8>, Ref)>,
}

fn flush_below(writer: &mut Writer, link: Link) -> Result<Pieces> {
    match link {
        Link::Stored(node) => Ok(Pieces { height: 0, nodes: vec![(Vec::new(), node)] }),
        Link::Dirty(dirty) => match *dirty {
            Dirty::Leaf(entries) => Ok(Pieces { height: 0, nodes: put_leaves(writer, &entries)? }),
            Dirty::Branch(height, children) => {
                let mut nodes = Vec::with_capacity(children.len());
                for (key, child) in children {
                    match child {
                        Link::Stored(node) => nodes.push((key, node)),
                        Link::Dirty(_) => nodes.extend(flush_below(writer, child)?.nodes),
                    }
                }
                Ok(Pieces { height, nodes: put_branches(writer, height, &nodes)? })
            }
        },
    }
}

fn put_leaves(writer: &mut Writer, entries: &[(Vec<u8>, Value)]) -> Result<Vec<(Vec<u8>, Ref)>> {
    let mut nodes = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = NODE_HEADER_BYTES;
        let mut scratch = Encoder::default();
        let fit = rest.iter().take_while(|(key, value)| {
            scratch.bytes.clear();
            value.encode(&mut scratch);
            bytes += ENTRY_HEADER_BYTES + key.len() + scratch.bytes.len();
            bytes <= NODE_BYTES
        });
        let (node, others) = rest.split_at_checked(fit.count().max(1)).unwrap_or((rest, &[]));
        rest = others;
        nodes.push((first_key(node)?, writer.put(&encode_leaf(node)?, 0)?));
    }
    Ok(nodes)
}

fn put_branches(writer: &mut Writer, height: u8, children: &[(Vec<u8>, Ref)]) -> Result<Vec<(Vec<u8>, Ref)>> {
    let mut nodes = Vec::new();
    let mut rest = children;
    while !rest.is_empty() {
        let mut bytes = NODE_HEADER_BYTES;
        let fit = rest.iter().take_while(|(key, _)| {
            bytes += CHILD_BYTES + key.len();
            bytes <= NODE_BYTES
        });
        let (node, others) = rest.split_at_checked(fit.count().max(2)).unwrap_or((rest, &[]));
        rest = others;
        nodes.push((first_key(node)?, writer.put(&encode_branch(height, node)?, 0)?));
    }
    Ok(nodes)
}

/// Lower bound of the keys of a node that is not empty.
fn first_key<T>(entries: &[(Vec<u8>, T)]) -> Result<Vec<u8>> {
    let first = entries.first().map(|(key, _)| key.clone());
    first.ok_or_else(|| Error::internal("a node without entries was to be stored"))
}

/// Removes an owner of a tree, and of what is under it where there is no other.
pub(crate) fn release_tree(writer: &mut Writer, root: &Ref) -> Result<()> {
    if root.is_null() { Ok(()) } else { release_below(writer, root, ROOT) }
}

fn release_below(writer: &mut Writer, node: &Ref, below: u8) -> Result<()> {
    if writer.unshare(node)? {
        return Ok(());
    }
    match read_node(&writer.objects, node, below)? {
        Node::Leaf(entries) => {
            for (_, value) in &entries {
                release_value(writer, value)?;
            }
        }
        Node::Branch(height, children) => {
            for (_, child) in &children {
                release_below(writer, child, height)?;
            }
        }
    }
    writer.free(node)
}

/// Removes an owner of what a value owns.
pub(crate) fn release_value(writer: &mut Writer, value: &Value) -> Result<()> {
    match value {
        Value::Inline(_) | Value::Adapter(_) | Value::Tag(_) => Ok(()),
        Value::Blob { pieces, .. } => writer.release_table(&pieces.children, pieces.depth, Kind::Blob),
        Value::Matrix(record) => {
            writer.release_table(&record.chunks.children, record.chunks.depth, Kind::Chunk)
        }
        Value::Version(record) => release_tree(writer, &record.root),
    }
}
