//! Copies of a store without holes: of its newest state, beside the old file, which it then replaces, or of a snapshot in
//! another directory.

use std::path::Path;
use std::sync::Arc;

use super::copy::{Copier, OnDamage};
use crate::backend::directory::{FileDirectory, StorageDirectory};
use crate::backend::memory::MemoryBackend;
use crate::backend::traits::StorageBackend;
use crate::error::{Error, Result};
use crate::grid::commit::committer::Committer;
use crate::grid::commit::durability::Durability;
use crate::grid::commit::files::{
    DATA_FILE, NEW_DATA_FILE, is_there, new_file, open_file, sync_directory, take_new_file,
};
use crate::grid::commit::head::Head;
use crate::grid::commit::recovery;
use crate::grid::format::reference::Ref;
use crate::grid::objects::source::Source;
use crate::grid::read::snapshot::Snapshot;
use crate::lock::DirectoryLock;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Length of `grid.data` before.
    pub bytes_before: u64,
    /// Length of the file that replaced it.
    pub bytes_after: u64,
}

/// Copies everything into a new file without holes, which replaces the old one.
pub(crate) fn compact(
    committer: &Committer,
    directory: &dyn StorageDirectory,
    lock: Option<&Arc<DirectoryLock>>,
) -> Result<Compacted> {
    committer.with_head(|head| {
        let bytes_before = length(head)?;
        committer.fold_log(head)?;
        let written = write_new_file(head, committer.wal(), directory, lock);
        let (mut new, bytes_after) = written.inspect_err(|_| {
            // The disk may be full, and the next opening would remove it anyway.
            let _ = directory.remove(NEW_DATA_FILE);
        })?;
        let state = new.state();
        committer.current().publish(state, &mut new.published);
        // The old file has no name any more, so writes go to the new one whatever becomes of the sync.
        *head = new;
        sync_directory(directory).inspect_err(|error| {
            head.broken = Some(format!("the compacted file may not keep its name: {error}"));
        })?;
        Ok(Compacted { bytes_before, bytes_after })
    })
}

/// Writes the new file, gives it the old one's name and returns its head and its length.
fn write_new_file(
    old: &Head,
    wal: &Arc<dyn StorageBackend>,
    directory: &dyn StorageDirectory,
    lock: Option<&Arc<DirectoryLock>>,
) -> Result<(Head, u64)> {
    let copied = Copied {
        source: &old.writer.objects,
        root: old.root,
        next_sequence: old.next_sequence,
        last_attempt: old.last_attempt,
    };
    let (bytes, _) = copied.write(directory, lock)?;
    // Opened before it gets its name, so that nothing but the directory's sync can fail once it has.
    let data = open_file(directory, NEW_DATA_FILE, DATA_FILE)?;
    let (mut opened, _) = recovery::open(data, Arc::clone(wal), lock.cloned())?;
    opened.wal.restart(opened.durable.commit);
    take_new_file(directory)?;
    Ok((opened, bytes))
}

/// A state that is copied.
struct Copied<'a> {
    source: &'a dyn Source,
    root: Ref,
    next_sequence: u64,
    /// The highest number that a commit had.
    last_attempt: u64,
}

impl Copied<'_> {
    /// Writes and syncs the new file, and returns its length and its commit.
    fn write(
        &self,
        directory: &dyn StorageDirectory,
        lock: Option<&Arc<DirectoryLock>>,
    ) -> Result<(u64, u64)> {
        recovery::create(new_file(directory)?.as_ref())?;
        let data = open_file(directory, NEW_DATA_FILE, NEW_DATA_FILE)?;
        let no_log = Arc::new(MemoryBackend::new("no log", Vec::new()));
        let (mut new, current) = recovery::open(data, no_log, lock.cloned())?;
        // Commits go on from the old file's, so that snapshots keep their order.
        new.last_attempt = self.last_attempt;
        new.begin()?;
        let root = Copier::new(self.source, &mut new.writer, OnDamage::Fail).main_tree(&self.root)?;
        new.commit_root(root, self.next_sequence, Durability::Immediate, &current)?;
        let bytes = new.trim()?;
        new.seal(&current, &|| 0)?;
        Ok((bytes, new.commit))
    }
}

/// What a copy of a snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridCopy {
    /// The commit whose state was copied.
    pub copied_commit: u64,
    /// The number that this state has in the copy.
    pub commit_number: u64,
    /// Length of the copy's `grid.data`.
    pub bytes: u64,
}

/// Writes a store that holds the state of a snapshot and is durable when this returns.
pub(crate) fn copy_snapshot(snapshot: &Snapshot, into: &Path) -> Result<GridCopy> {
    let directory = FileDirectory::create(into).map_err(|e| Error::io("create the directory", into, e))?;
    if is_there(&directory, DATA_FILE)? {
        return Err(Error::AlreadyExists { kind: "store", name: into.display().to_string() });
    }
    let state = snapshot.state();
    let copied = Copied {
        source: &state.source,
        root: state.root,
        next_sequence: state.next_sequence,
        last_attempt: state.commit,
    };
    let written = copied.write(&directory, None).and_then(|written| {
        take_new_file(&directory)?;
        Ok(written)
    });
    let (bytes, commit_number) = written.inspect_err(|_| {
        let _ = directory.remove(NEW_DATA_FILE);
    })?;
    sync_directory(&directory)?;
    Ok(GridCopy { copied_commit: state.commit, commit_number, bytes })
}

fn length(head: &Head) -> Result<u64> {
    let objects = &head.writer.objects;
    let len = objects.backend.len();
    len.map_err(|e| Error::io("measure", &objects.path, e))
}
