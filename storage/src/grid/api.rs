//! The store's public types.

use std::ops::Range;
use std::path::Path;

use super::path::{DataType, MatrixPath, Shape};
use crate::error::{Error, Result};

/// What the return of a commit promises. Whatever is chosen, the commit is atomic, visible to every snapshot
/// taken after it returns, and no crash leaves anything but a committed state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Visible, and nothing more: no file is touched on behalf of the commit before the next stronger one, so
    /// the end of the process by any way but `close` may lose it.
    None,
    /// Handed to the operating system: survives the end of the process (`kill -9` too), and is lost or kept as
    /// a whole when the machine itself goes down before it wrote its cache.
    Eventual,
    /// On the disk: survives the loss of power, if the disk keeps what it acknowledged to `fdatasync`.
    #[default]
    Immediate,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct GridOptions {
    /// The write-ahead log is folded into the tree once it is longer than this.
    pub checkpoint_wal_bytes: u64,
    /// The line that a second process is shown beside this one's pid when it is refused.
    pub note: String,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self { checkpoint_wal_bytes: 16 << 20, note: String::new() }
    }
}

/// Matrices, versions and metadata in one crash-safe, memory-mapped, copy-on-write tree. One writer at a time,
/// any number of readers that take no lock. Share it by `Arc`.
#[derive(Debug)]
pub struct GridStore {}

impl GridStore {
    /// Opens the store in `directory` (files `grid.data`, `grid.wal`, `grid.lock`), creating it when it is
    /// missing and recovering it when it was not closed. Refused with [`Error::Locked`] when it is open already.
    pub fn open(directory: &Path, options: &GridOptions) -> Result<Self> {
        let _ = (directory, options);
        Err(pending())
    }

    /// Begins a write; waits while another one is open. Dropping it without a commit leaves no trace.
    pub fn begin_write(&self) -> Result<WriteTransaction<'_>> {
        Err(pending())
    }

    /// Applies sparse updates through the write-ahead log. Calls from several threads share one `fdatasync`.
    pub fn update(&self, batch: &UpdateBatch, durability: Durability) -> Result<()> {
        let _ = (batch, durability);
        Err(pending())
    }

    /// The newest committed state. Takes no lock; stays what it is while the writer moves on, and keeps its
    /// pages from being reused until it is dropped.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {}
    }

    /// Makes everything committed so far durable.
    pub fn sync(&self) -> Result<()> {
        Err(pending())
    }

    /// Makes everything durable and gives the directory back. Dropping the store does the same and ignores errors.
    pub fn close(self) -> Result<()> {
        Err(pending())
    }
}

/// One write: sees its own changes, shows them to others at [`WriteTransaction::commit`].
#[derive(Debug)]
pub struct WriteTransaction<'store> {
    store: &'store GridStore,
}

impl WriteTransaction<'_> {
    /// Stores a matrix (row-major `values`), replacing what was there. Creates the adapter and the version, as a
    /// draft, when they are missing. Chunks that hold the same bits as before are shared with what was there.
    pub fn put_matrix(&mut self, path: &MatrixPath, shape: Shape, dtype: DataType, values: &[f32]) -> Result<()> {
        let _ = (self.store, path, shape, dtype, values);
        Err(pending())
    }

    /// Removes a matrix of a draft and says whether it was there.
    pub fn remove_matrix(&mut self, path: &MatrixPath) -> Result<bool> {
        let _ = path;
        Err(pending())
    }

    /// Applies sparse updates to matrices of drafts.
    pub fn apply(&mut self, batch: &UpdateBatch) -> Result<()> {
        let _ = batch;
        Err(pending())
    }

    /// Sets a metadata key.
    pub fn put_metadata(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let _ = (key, value);
        Err(pending())
    }

    /// Removes a metadata key and says whether it was there.
    pub fn remove_metadata(&mut self, key: &[u8]) -> Result<bool> {
        let _ = key;
        Err(pending())
    }

    /// A metadata value as this write sees it.
    pub fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let _ = key;
        Err(pending())
    }

    /// Makes a version immutable.
    pub fn publish_version(&mut self, adapter: &str, version: &str) -> Result<()> {
        let _ = (adapter, version);
        Err(pending())
    }

    /// The number after the highest that a version of this adapter ever had, dropped ones included; 1 at first.
    pub fn next_version_number(&mut self, adapter: &str) -> Result<u64> {
        let _ = adapter;
        Err(pending())
    }

    /// Makes `to` a draft that shares every page with `from`, in constant time; the adapters may differ.
    /// Also how a version is restored: branch it to the next number and publish that.
    pub fn branch_version(&mut self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        let _ = (from, to);
        Err(pending())
    }

    /// Points a tag of the adapter at one of its versions, moving it when it pointed elsewhere.
    pub fn tag_version(&mut self, adapter: &str, version: &str, tag: &str) -> Result<()> {
        let _ = (adapter, version, tag);
        Err(pending())
    }

    /// Removes a tag and says whether it was there.
    pub fn remove_tag(&mut self, adapter: &str, tag: &str) -> Result<bool> {
        let _ = (adapter, tag);
        Err(pending())
    }

    /// Drops a version, its matrices and its tags; pages that no other version shares become free. Says whether it
    /// was there.
    pub fn drop_version(&mut self, adapter: &str, version: &str) -> Result<bool> {
        let _ = (adapter, version);
        Err(pending())
    }

    /// Drops an adapter with all its versions and says how many there were.
    pub fn drop_adapter(&mut self, adapter: &str) -> Result<usize> {
        let _ = adapter;
        Err(pending())
    }

    /// Drops the published versions of an adapter but the newest `keep_last` and, if `keep_tagged`, those with a
    /// tag. Returns what was dropped. Drafts are kept.
    pub fn rotate_versions(&mut self, adapter: &str, keep_last: usize, keep_tagged: bool) -> Result<Vec<String>> {
        let _ = (adapter, keep_last, keep_tagged);
        Err(pending())
    }

    /// Makes the changes visible, and as durable as asked. On an error nothing of them is visible.
    pub fn commit(self, durability: Durability) -> Result<()> {
        let _ = durability;
        Err(pending())
    }
}

/// Sparse changes of elements, applied in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct UpdateBatch {}

impl UpdateBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets elements `(row, col, value)` of a matrix.
    pub fn set(&mut self, path: &MatrixPath, elements: &[(u32, u32, f32)]) -> &mut Self {
        let _ = (path, elements);
        self
    }

    /// Adds to elements `(row, col, value)` of a matrix, in f32, then rounds to the matrix's type.
    pub fn add(&mut self, path: &MatrixPath, elements: &[(u32, u32, f32)]) -> &mut Self {
        let _ = (path, elements);
        self
    }

    /// Makes elements `(row, col)` inactive: exactly +0.0.
    pub fn clear(&mut self, path: &MatrixPath, elements: &[(u32, u32)]) -> &mut Self {
        let _ = (path, elements);
        self
    }
}

/// A version of an adapter, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// The adapter.
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

/// A matrix, as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixInfo {
    /// Where it lives.
    pub path: MatrixPath,
    /// Its shape.
    pub shape: Shape,
    /// How its numbers are stored.
    pub dtype: DataType,
    /// Elements whose bits are not those of +0.0.
    pub active: u64,
}

/// One committed state, readable from any thread without a lock. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshot {}

impl Snapshot {
    /// All adapters, in order.
    pub fn adapters(&self) -> Result<Vec<String>> {
        Err(pending())
    }

    /// The versions of an adapter, oldest first; empty when there is no such adapter.
    pub fn versions(&self, adapter: &str) -> Result<Vec<VersionInfo>> {
        let _ = adapter;
        Err(pending())
    }

    /// The version that has this name, else the one that has this tag.
    pub fn resolve(&self, adapter: &str, version_or_tag: &str) -> Result<Option<VersionInfo>> {
        let _ = (adapter, version_or_tag);
        Err(pending())
    }

    /// The matrices of a version in order of layer, module, matrix.
    pub fn matrices(&self, adapter: &str, version: &str) -> Result<Vec<MatrixInfo>> {
        let _ = (adapter, version);
        Err(pending())
    }

    /// A matrix, to read from; `None` when it is not there.
    pub fn matrix(&self, path: &MatrixPath) -> Result<Option<Matrix<'_>>> {
        let _ = path;
        Err(pending())
    }

    /// Decodes a matrix into `values`, row-major; the length must be its number of elements.
    pub fn read_matrix(&self, path: &MatrixPath, values: &mut [f32]) -> Result<MatrixInfo> {
        let _ = (path, values);
        Err(pending())
    }

    /// The value of a metadata key.
    pub fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let _ = key;
        Err(pending())
    }

    /// All metadata keys that begin with `prefix`, in order, with their values.
    pub fn scan_metadata(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let _ = prefix;
        Err(pending())
    }
}

/// A matrix of a snapshot.
#[derive(Clone, Debug)]
pub struct Matrix<'snapshot> {
    snapshot: &'snapshot Snapshot,
}

impl Matrix<'_> {
    /// What it is.
    pub fn info(&self) -> Result<MatrixInfo> {
        let _ = self.snapshot;
        Err(pending())
    }

    /// One element; +0.0 where nothing is stored.
    pub fn get(&self, row: usize, col: usize) -> Result<f32> {
        let _ = (row, col);
        Err(pending())
    }

    /// Decodes all of it into `values`, row-major.
    pub fn read_into(&self, values: &mut [f32]) -> Result<()> {
        let _ = values;
        Err(pending())
    }

    /// Calls `visit(row, col, value)` for each active element in the ranges, leaf by leaf, row-major in a leaf;
    /// leaves outside the ranges are not touched.
    pub fn for_each_active(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        visit: &mut dyn FnMut(usize, usize, f32),
    ) -> Result<()> {
        let _ = (rows, cols, visit);
        Err(pending())
    }
}

fn pending() -> Error {
    Error::internal("the grid's tree is being written")
}
