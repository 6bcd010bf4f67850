//! Reading a committed state.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::matrix::{Matrix, MatrixInfo};
use super::metadata::{ReadableMetadata, read_value, scan_readable};
use super::selection::Selection;
use super::state::State;
use crate::error::{Error, Result};
use crate::grid::format::value::{MatrixRecord, Value, VersionRecord};
use crate::grid::objects::source::Source;
use crate::grid::path::MatrixPath;
use crate::grid::tree::keys::{
    adapter_prefix, matrix_key, metadata_key, split_matrix_key, split_name_key, split_pair_key, tag_key,
    tag_prefix, version_key, version_prefix,
};
use crate::grid::tree::node::{for_each_leaf, get, scan};

/// A version of an adapter, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// The adapter's name.
    pub adapter: String,
    /// The version's name.
    pub version: String,
    /// Rises with every version created in the store, so it orders them by age.
    pub sequence: u64,
    /// Published, hence immutable; a draft otherwise.
    pub published: bool,
    /// Tags that point at it, in order.
    pub tags: Vec<String>,
}

/// One committed state, readable from any thread without a lock. Cheap to clone. It may outlive the store, whose
/// directory stays locked until it is dropped.
#[derive(Clone, Debug)]
pub struct Snapshot {
    state: Arc<State>,
}

impl Snapshot {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The number of the commit that this is the state after; it rises with every commit.
    pub fn commit_number(&self) -> u64 {
        self.state.commit
    }

    /// All adapters, in order.
    pub fn adapters(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.scan_keys(&adapter_prefix(), &mut |key, _| {
            let name = split_name_key(&key).map_err(|reason| self.malformed_key(reason))?;
            let name = String::from_utf8(name.to_vec());
            names.push(name.map_err(|_| self.malformed_key("an adapter's name is not UTF-8"))?);
            Ok(())
        })?;
        Ok(names)
    }

    /// The versions of an adapter, oldest first; empty when there is no such adapter.
    pub fn versions(&self, adapter: &str) -> Result<Vec<VersionInfo>> {
        let mut tags = Vec::new();
        self.scan_keys(&tag_prefix(adapter), &mut |key, value| {
            if let Value::Tag(version) = value {
                let (_, tag) = split_pair_key(&key).map_err(|reason| self.malformed_key(reason))?;
                tags.push((version, tag));
            }
            Ok(())
        })?;
        let mut versions = Vec::new();
        self.scan_keys(&version_prefix(adapter), &mut |key, value| {
            if let Value::Version(record) = value {
                let (_, version) = split_pair_key(&key).map_err(|reason| self.malformed_key(reason))?;
                let mine = tags.iter().filter(|(target, _)| *target == version);
                let tags = mine.map(|(_, tag)| tag.clone()).collect();
                versions.push(version_info(adapter, version, record, tags));
            }
            Ok(())
        })?;
        versions.sort_by_key(|version| version.sequence);
        Ok(versions)
    }

    /// The version that has this name, else the one that has this tag.
    pub fn resolve(&self, adapter: &str, version_or_tag: &str) -> Result<Option<VersionInfo>> {
        let name = match self.version_record(adapter, version_or_tag)? {
            Some(_) => version_or_tag.to_owned(),
            None => match self.get(&tag_key(adapter, version_or_tag))? {
                Some(Value::Tag(version)) => version,
                _ => return Ok(None),
            },
        };
        Ok(self.versions(adapter)?.into_iter().find(|version| version.version == name))
    }

    /// The matrices of a version in order of layer, module, matrix; none when there is no such version.
    pub fn matrices(&self, adapter: &str, version: &str) -> Result<Vec<MatrixInfo>> {
        let mut found = Vec::new();
        self.for_each_matrix(adapter, version, &mut |path, record| {
            found.push(MatrixInfo::new(path, record));
            Ok(())
        })?;
        Ok(found)
    }

    /// The matrices of a version that a selection takes, in that order; tree nodes that hold only others are not read.
    pub fn selected_matrices(
        &self,
        adapter: &str,
        version: &str,
        selection: &Selection,
    ) -> Result<Vec<MatrixInfo>> {
        let Some(record) = self.version_record(adapter, version)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let wanted = |low: &[u8], high: Option<&[u8]>| selection.may_be_between(low, high);
        for_each_leaf(&self.state.source, &record.root, &wanted, &mut |entries| {
            for (key, value) in entries.into_iter().filter(|(key, _)| selection.takes(key)) {
                if let Value::Matrix(record) = value {
                    let (layer, module, matrix) =
                        split_matrix_key(&key).map_err(|reason| self.malformed_key(reason))?;
                    let path = MatrixPath::new(adapter, version, layer, module, matrix);
                    found.push(MatrixInfo::new(path, &record));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(crate) fn for_each_matrix(
        &self,
        adapter: &str,
        version: &str,
        visit: &mut dyn FnMut(MatrixPath, &MatrixRecord) -> Result<()>,
    ) -> Result<()> {
        let Some(version_record) = self.version_record(adapter, version)? else {
            return Ok(());
        };
        scan(&self.state.source, &version_record.root, &[], &mut |key, value| {
            if let Value::Matrix(record) = value {
                let (layer, module, matrix) =
                    split_matrix_key(&key).map_err(|reason| self.malformed_key(reason))?;
                visit(MatrixPath::new(adapter, version, layer, module, matrix), &record)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// A matrix, to read from; `None` when it is not there.
    pub fn matrix(&self, path: &MatrixPath) -> Result<Option<Matrix<'_>>> {
        let record = self.matrix_record(path)?;
        record.map(|record| Matrix::new(&self.state, path.clone(), record)).transpose()
    }

    pub(crate) fn matrix_record(&self, path: &MatrixPath) -> Result<Option<MatrixRecord>> {
        let key = matrix_key(path.layer, &path.module, &path.matrix)?;
        let Some(version) = self.version_record(&path.adapter, &path.version)? else {
            return Ok(None);
        };
        match get(&self.state.source, &version.root, &key)? {
            Some(Value::Matrix(record)) => Ok(Some(record)),
            Some(_) => Err(self.malformed_key("a matrix's key holds something else")),
            None => Ok(None),
        }
    }

    /// Decodes a matrix into `values`, row-major; the length must be its number of elements.
    pub fn read_matrix(&self, path: &MatrixPath, values: &mut [f32]) -> Result<MatrixInfo> {
        let matrix = self.matrix(path)?;
        let matrix = matrix.ok_or_else(|| Error::NotFound { kind: "matrix", name: path.to_string() })?;
        matrix.read_into(values)?;
        Ok(matrix.info())
    }

    /// The value of a metadata key.
    pub fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.get(&metadata_key(key))?;
        found.map(|value| read_value(&self.state.source, value)).transpose()
    }

    /// All metadata keys that begin with `prefix`, in order, with their values.
    pub fn scan_metadata(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut found = Vec::new();
        self.scan_keys(&metadata_key(prefix), &mut |key, value| {
            let key = split_name_key(&key).map_err(|reason| self.malformed_key(reason))?.to_vec();
            found.push((key, read_value(&self.state.source, value)?));
            Ok(())
        })?;
        Ok(found)
    }

    /// As [`Self::scan_metadata`], but what is damaged costs nothing else: a value that cannot be read is an error in its
    /// entry alone, and after a damaged node of the tree the scan goes on with the next.
    pub fn readable_metadata(&self, prefix: &[u8]) -> Result<ReadableMetadata<Result<Vec<u8>>>> {
        let source = &self.state.source;
        let read = |value| read_value(source, value);
        scan_readable(source, &self.state.root, &metadata_key(prefix), &read)
    }

    /// The keys alone of [`Self::readable_metadata`]; no value is read.
    pub fn readable_metadata_keys(&self, prefix: &[u8]) -> Result<ReadableMetadata<()>> {
        scan_readable(&self.state.source, &self.state.root, &metadata_key(prefix), &|_| ())
    }

    pub(crate) fn version_record(&self, adapter: &str, version: &str) -> Result<Option<VersionRecord>> {
        match self.get(&version_key(adapter, version))? {
            Some(Value::Version(record)) => Ok(Some(record)),
            Some(_) => Err(self.malformed_key("a version's key holds something else")),
            None => Ok(None),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        get(&self.state.source, &self.state.root, key)
    }

    fn scan_keys(&self, prefix: &[u8], visit: &mut dyn FnMut(Vec<u8>, Value) -> Result<()>) -> Result<()> {
        scan(&self.state.source, &self.state.root, prefix, &mut |key, value| {
            if !key.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            visit(key, value).map(ControlFlow::Continue)
        })
    }

    fn malformed_key(&self, reason: &'static str) -> Error {
        self.state.source.malformed(&self.state.root, "an entry of the tree", reason)
    }
}

fn version_info(adapter: &str, version: String, record: VersionRecord, tags: Vec<String>) -> VersionInfo {
    VersionInfo {
        adapter: adapter.to_owned(),
        version,
        sequence: record.sequence,
        published: record.published,
        tags,
    }
}
