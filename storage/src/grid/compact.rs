//! Compaction: the store written anew, without holes, beside the old file, which it then replaces.

use std::sync::Arc;

use super::Durability;
use super::copy::Copier;
use super::recovery;
use super::store::{DATA_FILE, GridStore, NEW_DATA_FILE, new_file, take_new_file};
use crate::backend::{FileBackend, MemoryBackend};
use crate::error::{Error, Result};

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
    /// old file or the new one.
    pub fn compact(&self) -> Result<Compacted> {
        let Some((directory, lock)) = self.place() else {
            return Err(Error::argument(
                "store",
                "only a store that was opened by its directory can be compacted",
            ));
        };
        self.with_core(|core| {
            let measure = |core: &super::core::Core| {
                let objects = &core.writer.objects;
                objects
                    .backend
                    .len()
                    .map_err(|e| Error::io("measure", &objects.path, e))
            };
            let bytes_before = measure(core)?;
            if !core.is_checkpointed() {
                core.checkpoint(self.current())?;
            }
            recovery::create(&new_file(directory)?)?;
            let new_path = directory.join(NEW_DATA_FILE);
            let backend = FileBackend::open(&new_path).map_err(|e| Error::io("open", &new_path, e))?;
            let no_log = Arc::new(MemoryBackend::new("no log", Vec::new()));
            let (mut new, current) = recovery::open(Arc::new(backend), no_log, lock.clone())?;
            // Commits go on from the old file's, so that snapshots keep their order.
            new.last_attempt = core.last_attempt;
            new.begin()?;
            let root = Copier::new(&core.writer.objects, &mut new.writer, false).main_tree(&core.root)?;
            new.finish(root, core.next_sequence, Durability::Immediate, &current)?;
            let bytes_after = new.trim()?;
            new.seal(&current)?;
            drop((new, current));
            // Opened before it gets its name, so that nothing can fail once it has.
            let data = FileBackend::open(&new_path).map_err(|e| Error::io("open", &new_path, e))?;
            let data = Arc::new(data.called(&directory.join(DATA_FILE)));
            let (mut opened, _) = recovery::open(data, Arc::clone(self.wal_backend()), lock)?;
            opened.wal.reset(opened.durable.commit);
            opened.ticket = core.ticket;
            take_new_file(directory)?;
            let state = opened.state();
            self.current().publish(state, &mut opened.published);
            *core = opened;
            self.note_checkpoint(core.ticket);
            Ok(Compacted {
                bytes_before,
                bytes_after,
            })
        })
    }
}
