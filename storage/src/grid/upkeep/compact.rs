//! Compaction: the store written anew, without holes, beside the old file, which it then replaces.

use std::sync::Arc;

use super::Durability;
use super::copy::Copier;
use super::core::Core;
use super::files::{DATA_FILE, NEW_DATA_FILE, new_file, open_file, sync_directory, take_new_file};
use super::recovery;
use super::store::GridStore;
use crate::backend::{MemoryBackend, StorageDirectory};
use crate::error::{Error, Result};
use crate::lock::DirectoryLock;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Length of the file before.
    pub bytes_before: u64,
    /// Its length now.
    pub bytes_after: u64,
}

impl GridStore {
    /// Writes everything anew without holes and gives the space of the old file back. Snapshots taken before go on
    /// reading the old file, whose space is free once they are dropped. Writers wait meanwhile; a crash leaves the
    /// old file or the new one. When the directory cannot be synced, nobody knows which one a loss of power would
    /// leave, and the store takes no more writes until it is opened again.
    pub fn compact(&self) -> Result<Compacted> {
        let Some((directory, lock)) = self.place() else {
            return Err(Error::argument(
                "store",
                "only a store that was opened by its directory can be compacted",
            ));
        };
        self.with_core(|core| {
            let bytes_before = length(core)?;
            self.checkpoint(core)?;
            let written = self.write_anew(core, directory, lock);
            let (mut new, bytes_after) = written.inspect_err(|_| {
                // The disk may be full, and the next opening would remove it anyway.
                let _ = directory.remove(NEW_DATA_FILE);
            })?;
            let state = new.state();
            self.current().publish(state, &mut new.published);
            // The old file has no name any more, so writes go to the new one whatever becomes of the sync.
            *core = new;
            sync_directory(directory).inspect_err(|error| {
                core.broken = Some(format!("the compacted file may not keep its name: {error}"));
            })?;
            Ok(Compacted { bytes_before, bytes_after })
        })
    }

    /// Writes the new file, gives it the old one's name and returns its writer's half and its length.
    fn write_anew(
        &self,
        old: &Core,
        directory: &dyn StorageDirectory,
        lock: Option<Arc<DirectoryLock>>,
    ) -> Result<(Core, u64)> {
        recovery::create(new_file(directory)?.as_ref())?;
        let data = open_file(directory, NEW_DATA_FILE, NEW_DATA_FILE)?;
        let no_log = Arc::new(MemoryBackend::new("no log", Vec::new()));
        let (mut new, current) = recovery::open(data, no_log, lock.clone())?;
        // Commits go on from the old file's, so that snapshots keep their order.
        new.last_attempt = old.last_attempt;
        new.begin()?;
        let root = Copier::new(&old.writer.objects, &mut new.writer, false).main_tree(&old.root)?;
        new.finish(root, old.next_sequence, Durability::Immediate, &current)?;
        let bytes = new.trim()?;
        new.seal(&current, &|| 0)?;
        drop((new, current));
        // Opened before it gets its name, so that nothing but the directory's sync can fail once it has.
        let data = open_file(directory, NEW_DATA_FILE, DATA_FILE)?;
        let (mut opened, _) = recovery::open(data, Arc::clone(self.wal_backend()), lock)?;
        opened.wal.reset(opened.durable.commit);
        take_new_file(directory)?;
        Ok((opened, bytes))
    }
}

fn length(core: &Core) -> Result<u64> {
    let objects = &core.writer.objects;
    let len = objects.backend.len();
    len.map_err(|e| Error::io("measure", &objects.path, e))
}
