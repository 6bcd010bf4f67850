//! One write: everything that can be changed, each in a few lines over an editor.

use parking_lot::MutexGuard;

use crate::error::{Error, Result};
use crate::grid::chunk::codec::Compression;
use crate::grid::chunk::layout::Layout;
use crate::grid::commit::committer::Committer;
use crate::grid::commit::durability::Durability;
use crate::grid::commit::head::Head;
use crate::grid::format::geometry::Geometry;
use crate::grid::format::table::Table;
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::writer::Writer;
use crate::grid::path::{DataType, MatrixPath, Shape, VersionPath, check_name};
use crate::grid::tree::edit::release_value;
use crate::grid::tree::keys::matrix_key;
use crate::grid::write::editor::Editor;
use crate::grid::write::put_matrix::encode_matrix;
use crate::grid::write::recode::Recoded;
use crate::grid::write::update::UpdateBatch;

/// One write: sees its own changes, shows them to others at [`WriteTransaction::commit`].
///
/// A call that is refused for its arguments (an unknown version, a wrong shape) changes nothing and the write can
/// go on. After a failure of the file the write can only be dropped.
#[derive(Debug)]
pub struct WriteTransaction<'store> {
    committer: &'store Committer,
    head: MutexGuard<'store, Head>,
    editor: Editor,
    failed: bool,
    open: bool,
}

impl<'store> WriteTransaction<'store> {
    pub(crate) fn begin(committer: &'store Committer) -> Result<Self> {
        let mut head = committer.lock()?;
        head.begin()?;
        let editor = Editor::new(head.root, head.next_sequence);
        Ok(Self { committer, head, editor, failed: false, open: true })
    }

    fn edit<T>(&mut self, edit: impl FnOnce(&mut Editor, &mut Writer) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(Error::internal("an earlier call of this write failed; drop it and begin another"));
        }
        edit(&mut self.editor, &mut self.head.writer).inspect_err(|error| {
            self.failed |= matches!(error, Error::Io { .. } | Error::Corrupt { .. } | Error::Internal(_));
        })
    }

    /// Stores a matrix (row-major `values`), replacing what was there. Creates the adapter and the version, as a
    /// draft, when they are missing. Chunks that hold the same bits as before are shared with what was there, so
    /// a checkpoint that branches the last one first costs what changed.
    pub fn put_matrix(
        &mut self,
        path: &MatrixPath,
        shape: Shape,
        dtype: DataType,
        values: &[f32],
    ) -> Result<()> {
        let geometry = Geometry::of(shape)?;
        let elements = shape.elements()?;
        if values.len() != elements {
            return Err(Error::argument(
                "values",
                format!(
                    "{path} of {} x {} has {elements} elements, not {}",
                    shape.rows,
                    shape.cols,
                    values.len()
                ),
            ));
        }
        let key = matrix_key(path.layer, &path.module, &path.matrix)?;
        check_name("adapter", &path.adapter)?;
        check_name("version", &path.version)?;
        self.edit(|editor, writer| {
            editor.draft(writer, &path.adapter, &path.version, true)?;
            let draft = editor.draft(writer, &path.adapter, &path.version, false)?;
            let old = match draft.tree.get(writer, &key)? {
                Some(Value::Matrix(old)) => Some(old),
                _ => None,
            };
            let layout = Layout { geometry, dtype };
            let record = encode_matrix(writer, &layout, values, old.as_ref())?;
            match draft.tree.insert(writer, &key, Value::Matrix(record))? {
                Some(old) => release_value(writer, &old),
                None => Ok(()),
            }
        })
    }

    /// Stores a matrix without active elements, to be filled by sparse updates: nothing of its size is allocated.
    pub fn put_empty_matrix(&mut self, path: &MatrixPath, shape: Shape, dtype: DataType) -> Result<()> {
        let geometry = Geometry::of(shape)?;
        let key = matrix_key(path.layer, &path.module, &path.matrix)?;
        check_name("adapter", &path.adapter)?;
        check_name("version", &path.version)?;
        self.edit(|editor, writer| {
            let len = geometry.chunks();
            let chunks = Table::empty(len).ok_or_else(|| Error::internal("a table is too long"))?;
            let (rows, cols) = (geometry.rows, geometry.cols);
            let record = MatrixRecord { dtype, rows, cols, active: 0, chunks };
            let draft = editor.draft(writer, &path.adapter, &path.version, true)?;
            match draft.tree.insert(writer, &key, Value::Matrix(record))? {
                Some(old) => release_value(writer, &old),
                None => Ok(()),
            }
        })
    }

    /// Removes a matrix of a draft and says whether it was there.
    pub fn remove_matrix(&mut self, path: &MatrixPath) -> Result<bool> {
        let key = matrix_key(path.layer, &path.module, &path.matrix)?;
        self.edit(|editor, writer| {
            let draft = editor.draft(writer, &path.adapter, &path.version, false)?;
            match draft.tree.remove(writer, &key)? {
                Some(old) => release_value(writer, &old).map(|()| true),
                None => Ok(false),
            }
        })
    }

    /// Applies sparse updates to matrices of drafts. After an error the write can only be dropped, because a part
    /// of the batch may be applied.
    pub fn apply(&mut self, batch: &UpdateBatch) -> Result<()> {
        let applied = self.edit(|editor, writer| editor.apply(writer, batch));
        self.failed |= applied.is_err();
        applied
    }

    /// Sets a metadata key of 1 to 1024 bytes.
    pub fn put_metadata(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.edit(|editor, writer| editor.put_metadata(writer, key, value))
    }

    /// Removes a metadata key and says whether it was there.
    pub fn remove_metadata(&mut self, key: &[u8]) -> Result<bool> {
        self.edit(|editor, writer| editor.remove_metadata(writer, key))
    }

    /// A metadata value as this write sees it.
    pub fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.editor.metadata(&self.head.writer, key)
    }

    /// Whether a version exists, as this write sees it.
    pub fn has_version(&self, adapter: &str, version: &str) -> Result<bool> {
        Ok(self.editor.version(&self.head.writer, adapter, version)?.is_some())
    }

    /// Makes a version immutable.
    pub fn publish_version(&mut self, adapter: &str, version: &str) -> Result<()> {
        self.edit(|editor, writer| editor.publish(writer, adapter, version))
    }

    /// The number after the highest that a version of this adapter ever had, dropped ones included (until the
    /// adapter itself is dropped); 1 at first.
    pub fn next_version_number(&mut self, adapter: &str) -> Result<u64> {
        self.edit(|editor, writer| editor.next_number(writer, adapter))
    }

    /// Makes `to` a draft that shares every page with `from`, in constant time; the adapters may differ.
    /// Also how a version is restored: branch it to the next number and publish that.
    pub fn branch_version(&mut self, from: VersionPath<'_>, to: VersionPath<'_>) -> Result<()> {
        check_name("adapter", to.adapter)?;
        check_name("version", to.version)?;
        self.edit(|editor, writer| editor.branch(writer, from, to))
    }

    /// Points a tag of the adapter at one of its versions, moving it when it pointed elsewhere.
    pub fn tag_version(&mut self, adapter: &str, version: &str, tag: &str) -> Result<()> {
        self.edit(|editor, writer| editor.tag(writer, adapter, version, tag))
    }

    /// Drops a version, its matrices and its tags; pages that no other version shares become free. Says whether it
    /// was there.
    pub fn drop_version(&mut self, adapter: &str, version: &str) -> Result<bool> {
        self.edit(|editor, writer| editor.drop_version(writer, adapter, version))
    }

    /// Drops an adapter with all its versions and says how many there were.
    pub fn drop_adapter(&mut self, adapter: &str) -> Result<usize> {
        self.edit(|editor, writer| editor.drop_adapter(writer, adapter))
    }

    /// Drops the published versions of an adapter but the newest `keep_last` and, if `keep_tagged`, those with a
    /// tag. Returns what was dropped. Drafts are kept.
    pub fn rotate_versions(
        &mut self,
        adapter: &str,
        keep_last: usize,
        keep_tagged: bool,
    ) -> Result<Vec<String>> {
        self.edit(|editor, writer| editor.rotate(writer, adapter, keep_last, keep_tagged))
    }

    /// Compresses the chunks of a version, published or not; they read as before, only slower. Chunks that other
    /// versions share stay as they are, and so do those that would get less than 5 % smaller.
    pub fn freeze_version(
        &mut self,
        adapter: &str,
        version: &str,
        compression: Compression,
    ) -> Result<Recoded> {
        self.edit(|editor, writer| editor.recode(writer, adapter, version, Some(compression)))
    }

    /// The opposite of [`Self::freeze_version`]: chunks become raw, so that they are read in place.
    pub fn thaw_version(&mut self, adapter: &str, version: &str) -> Result<Recoded> {
        self.edit(|editor, writer| editor.recode(writer, adapter, version, None))
    }

    /// Makes the changes visible, and as durable as asked. On an error nothing of them is visible, and no later opening
    /// will find them, unless it is [`Error::OutcomeUnknown`].
    pub fn commit(mut self, durability: Durability) -> Result<()> {
        let root = self.edit(Editor::flush)?;
        self.open = false;
        self.committer.commit_root(&mut self.head, root, self.editor.next_sequence, durability)
    }
}

impl Drop for WriteTransaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.head.abort();
        }
    }
}
