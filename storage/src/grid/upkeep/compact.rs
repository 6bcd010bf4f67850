//! Compaction: a copy of the store without holes, beside the old file, which it then replaces.

use std::sync::Arc;

use super::copy::{Copier, OnDamage};
use crate::backend::directory::StorageDirectory;
use crate::backend::memory::MemoryBackend;
use crate::backend::traits::StorageBackend;
use crate::error::{Error, Result};
use crate::grid::commit::committer::Committer;
use crate::grid::commit::durability::Durability;
use crate::grid::commit::files::{
    DATA_FILE, NEW_DATA_FILE, new_file, open_file, sync_directory, take_new_file,
};
use crate::grid::commit::head::Head;
use crate::grid::commit::recovery;
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
    recovery::create(new_file(directory)?.as_ref())?;
    let data = open_file(directory, NEW_DATA_FILE, NEW_DATA_FILE)?;
    let no_log = Arc::new(MemoryBackend::new("no log", Vec::new()));
    let (mut new, current) = recovery::open(data, no_log, lock.cloned())?;
    // Commits go on from the old file's, so that snapshots keep their order.
    new.last_attempt = old.last_attempt;
    new.begin()?;
    let root = Copier::new(&old.writer.objects, &mut new.writer, OnDamage::Fail).main_tree(&old.root)?;
    new.commit_root(root, old.next_sequence, Durability::Immediate, &current)?;
    let bytes = new.trim()?;
    new.seal(&current, &|| 0)?;
    drop((new, current));
    // Opened before it gets its name, so that nothing but the directory's sync can fail once it has.
    let data = open_file(directory, NEW_DATA_FILE, DATA_FILE)?;
    let (mut opened, _) = recovery::open(data, Arc::clone(wal), lock.cloned())?;
    opened.wal.restart(opened.durable.commit);
    take_new_file(directory)?;
    Ok((opened, bytes))
}

fn length(head: &Head) -> Result<u64> {
    let objects = &head.writer.objects;
    let len = objects.backend.len();
    len.map_err(|e| Error::io("measure", &objects.path, e))
}
