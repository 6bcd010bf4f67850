//! The main tree and the versions' trees while they are being changed.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::grid::format::reference::Ref;
use crate::grid::format::value::{AdapterRecord, Value, VersionRecord};
use crate::grid::objects::writer::Writer;
use crate::grid::path::{VersionPath, check_name};
use crate::grid::tree::edit::{Tree, release_tree, release_value};
use crate::grid::tree::keys::{
    adapter_key, split_pair_key, tag_key, tag_prefix, version_key, version_prefix,
};

/// Changes on their way to a commit.
#[derive(Debug)]
pub(crate) struct Editor {
    pub(crate) main: Tree,
    open: BTreeMap<(String, String), OpenVersion>,
    pub(crate) next_sequence: u64,
}

/// A version whose tree is in memory.
#[derive(Debug)]
pub(crate) struct OpenVersion {
    record: VersionRecord,
    pub(crate) tree: Tree,
}

impl Editor {
    pub(crate) fn new(root: Ref, next_sequence: u64) -> Self {
        Self { main: Tree::new(root), open: BTreeMap::new(), next_sequence }
    }

    /// The version's record as changed so far.
    pub(crate) fn version(
        &self,
        writer: &Writer,
        adapter: &str,
        version: &str,
    ) -> Result<Option<VersionRecord>> {
        if let Some(open) = self.open.get(&(adapter.to_owned(), version.to_owned())) {
            return Ok(Some(open.record));
        }
        match self.main.get(writer, &version_key(adapter, version))? {
            Some(Value::Version(record)) => Ok(Some(record)),
            Some(_) => Err(Error::internal("a version's key holds something else")),
            None => Ok(None),
        }
    }

    fn existing(&self, writer: &Writer, adapter: &str, version: &str) -> Result<VersionRecord> {
        self.version(writer, adapter, version)?
            .ok_or_else(|| Error::NotFound { kind: "version", name: format!("{adapter}@{version}") })
    }

    /// A draft to change, made if `create`.
    pub(crate) fn draft(
        &mut self,
        writer: &mut Writer,
        adapter: &str,
        version: &str,
        create: bool,
    ) -> Result<&mut OpenVersion> {
        let record = match self.version(writer, adapter, version)? {
            Some(record) if record.published => {
                return Err(Error::Sealed { adapter: adapter.to_owned(), version: version.to_owned() });
            }
            Some(record) => record,
            None if create => self.add_version(writer, adapter, version, Ref::NULL)?,
            None => self.existing(writer, adapter, version)?,
        };
        let open = self.open.entry((adapter.to_owned(), version.to_owned()));
        Ok(open.or_insert_with(|| OpenVersion { record, tree: Tree::new(record.root) }))
    }

    /// A version to store differently, published or not.
    pub(crate) fn open(&mut self, writer: &Writer, adapter: &str, version: &str) -> Result<&mut OpenVersion> {
        let record = self.existing(writer, adapter, version)?;
        let open = self.open.entry((adapter.to_owned(), version.to_owned()));
        Ok(open.or_insert_with(|| OpenVersion { record, tree: Tree::new(record.root) }))
    }

    /// Adds a version that is not there yet and owns `root`.
    fn add_version(
        &mut self,
        writer: &mut Writer,
        adapter: &str,
        version: &str,
        root: Ref,
    ) -> Result<VersionRecord> {
        check_name("adapter", adapter)?;
        check_name("version", version)?;
        let record = VersionRecord { sequence: self.next_sequence, published: false, root };
        self.next_sequence = self.next_sequence.checked_add(1).ok_or_else(|| {
            let reason = "its sequence number is the last that there is";
            Error::corrupt(&writer.objects.path, 0, "the superblock", reason)
        })?;
        self.main.insert(writer, &version_key(adapter, version), Value::Version(record))?;
        let key = adapter_key(adapter);
        let before = match self.main.get(writer, &key)? {
            Some(Value::Adapter(before)) => Some(before),
            _ => None,
        };
        // A version whose name is no number has none that counts.
        let number = version.parse().unwrap_or(0);
        let highest = before.map_or(0, |before| before.highest).max(number);
        if before.is_none_or(|before| before.highest != highest) {
            self.main.insert(writer, &key, Value::Adapter(AdapterRecord { highest }))?;
        }
        Ok(record)
    }

    /// The number after the highest version number the adapter ever had.
    pub(crate) fn next_number(&self, writer: &Writer, adapter: &str) -> Result<u64> {
        match self.main.get(writer, &adapter_key(adapter))? {
            Some(Value::Adapter(record)) => record.highest.checked_add(1).ok_or_else(|| {
                let highest = record.highest;
                Error::argument(
                    "adapter",
                    format!("\"{adapter}\" had version {highest}, and no number follows"),
                )
            }),
            _ => Ok(1),
        }
    }

    pub(crate) fn publish(&mut self, writer: &mut Writer, adapter: &str, version: &str) -> Result<()> {
        let mut record = self.existing(writer, adapter, version)?;
        record.published = true;
        if let Some(open) = self.open.get_mut(&(adapter.to_owned(), version.to_owned())) {
            open.record.published = true;
        }
        self.main.insert(writer, &version_key(adapter, version), Value::Version(record)).map(drop)
    }

    pub(crate) fn branch(
        &mut self,
        writer: &mut Writer,
        from: VersionPath<'_>,
        to: VersionPath<'_>,
    ) -> Result<()> {
        self.existing(writer, from.adapter, from.version)?;
        if self.version(writer, to.adapter, to.version)?.is_some() {
            return Err(Error::AlreadyExists { kind: "version", name: to.to_string() });
        }
        self.close(writer, from.adapter, from.version)?;
        let record = self.existing(writer, from.adapter, from.version)?;
        writer.share(&record.root)?;
        self.add_version(writer, to.adapter, to.version, record.root).map(drop)
    }

    pub(crate) fn tag(&mut self, writer: &mut Writer, adapter: &str, version: &str, tag: &str) -> Result<()> {
        check_name("tag", tag)?;
        self.existing(writer, adapter, version)?;
        self.main.insert(writer, &tag_key(adapter, tag), Value::Tag(version.to_owned())).map(drop)
    }

    pub(crate) fn remove_tag(&mut self, writer: &mut Writer, adapter: &str, tag: &str) -> Result<bool> {
        Ok(self.main.remove(writer, &tag_key(adapter, tag))?.is_some())
    }

    /// The tags of an adapter and where they point.
    pub(crate) fn tags(&self, writer: &Writer, adapter: &str) -> Result<Vec<(String, String)>> {
        let entries = self.main.collect(writer, &tag_prefix(adapter))?;
        let tags = entries.into_iter().filter_map(|(key, value)| match (split_pair_key(&key), value) {
            (Ok((_, tag)), Value::Tag(version)) => Some((tag, version)),
            _ => None,
        });
        Ok(tags.collect())
    }

    /// The versions of an adapter and their records, as changed so far.
    pub(crate) fn versions(&self, writer: &Writer, adapter: &str) -> Result<Vec<(String, VersionRecord)>> {
        let entries = self.main.collect(writer, &version_prefix(adapter))?;
        let versions = entries.into_iter().filter_map(|(key, value)| match (split_pair_key(&key), value) {
            (Ok((_, version)), Value::Version(record)) => Some((version, record)),
            _ => None,
        });
        Ok(versions.collect())
    }

    pub(crate) fn drop_version(&mut self, writer: &mut Writer, adapter: &str, version: &str) -> Result<bool> {
        self.close(writer, adapter, version)?;
        self.open.remove(&(adapter.to_owned(), version.to_owned()));
        let Some(value) = self.main.remove(writer, &version_key(adapter, version))? else {
            return Ok(false);
        };
        if let Value::Version(record) = value {
            release_tree(writer, &record.root)?;
        }
        for (tag, target) in self.tags(writer, adapter)? {
            if target == version {
                self.remove_tag(writer, adapter, &tag)?;
            }
        }
        Ok(true)
    }

    pub(crate) fn drop_adapter(&mut self, writer: &mut Writer, adapter: &str) -> Result<usize> {
        let versions = self.versions(writer, adapter)?;
        for (version, _) in &versions {
            self.drop_version(writer, adapter, version)?;
        }
        self.main.remove(writer, &adapter_key(adapter))?;
        Ok(versions.len())
    }

    pub(crate) fn rotate(
        &mut self,
        writer: &mut Writer,
        adapter: &str,
        keep_last: usize,
        keep_tagged: bool,
    ) -> Result<Vec<String>> {
        let mut published = self.versions(writer, adapter)?;
        published.retain(|(_, record)| record.published);
        published.sort_by_key(|(_, record)| std::cmp::Reverse(record.sequence));
        let tags = if keep_tagged { self.tags(writer, adapter)? } else { Vec::new() };
        let mut dropped = Vec::new();
        for (version, _) in published.into_iter().skip(keep_last) {
            if !tags.iter().any(|(_, target)| *target == version) {
                self.drop_version(writer, adapter, &version)?;
                dropped.push(version);
            }
        }
        Ok(dropped)
    }

    /// Replaces the value of a key of the main tree and releases what it replaces.
    pub(crate) fn replace(&mut self, writer: &mut Writer, key: &[u8], value: Value) -> Result<()> {
        match self.main.insert(writer, key, value)? {
            Some(old) => release_value(writer, &old),
            None => Ok(()),
        }
    }

    /// Writes an open version's tree and puts its root into its record.
    fn close(&mut self, writer: &mut Writer, adapter: &str, version: &str) -> Result<()> {
        let Some(open) = self.open.get_mut(&(adapter.to_owned(), version.to_owned())) else {
            return Ok(());
        };
        open.record.root = open.tree.flush(writer)?;
        let record = open.record;
        self.main.insert(writer, &version_key(adapter, version), Value::Version(record)).map(drop)
    }

    /// Writes everything and returns the main tree's root.
    pub(crate) fn flush(&mut self, writer: &mut Writer) -> Result<Ref> {
        let names: Vec<_> = self.open.keys().cloned().collect();
        for (adapter, version) in names {
            self.close(writer, &adapter, &version)?;
        }
        self.open.clear();
        self.main.flush(writer)
    }
}
