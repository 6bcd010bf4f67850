//! Compaction: the store written anew, without holes, beside the old file, which it then replaces.

use std::path::Path;
use std::sync::Arc;

use super::Durability;
use super::copy::Copier;
use super::recovery;
use super::store::{DATA_FILE, GridStore, NEW_DATA_FILE, new_file, sync_directory, take_new_file};
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
    /// old file or the new one. When the directory cannot be synced, nobody knows which one a loss of power would
    /// leave, and the store takes no more writes until it is opened again.
    pub fn compact(&self) -> Result<Compacted> {
        self.compact_and(&sync_directory)
    }

    fn compact_and(&self, sync_directory: &dyn Fn(&Path) -> Result<()>) -> Result<Compacted> {
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
            // Opened before it gets its name, so that nothing but the directory's sync can fail once it has.
            let data = FileBackend::open(&new_path).map_err(|e| Error::io("open", &new_path, e))?;
            let data = Arc::new(data.called(&directory.join(DATA_FILE)));
            let (mut opened, _) = recovery::open(data, Arc::clone(self.wal_backend()), lock)?;
            opened.wal.reset(opened.durable.commit);
            opened.ticket = core.ticket;
            take_new_file(directory)?;
            let state = opened.state();
            self.current().publish(state, &mut opened.published);
            // The old file has no name any more, so writes go to the new one whatever becomes of the sync.
            *core = opened;
            self.note_checkpoint(core.ticket);
            sync_directory(directory).inspect_err(|error| {
                core.broken = Some(format!("the compacted file may not keep its name: {error}"));
            })?;
            Ok(Compacted {
                bytes_before,
                bytes_after,
            })
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what panics here is a finding")]
mod tests {
    use super::*;
    use crate::grid::store::GridOptions;

    fn put(store: &GridStore, value: &[u8]) -> Result<()> {
        let mut write = store.begin_write()?;
        write.put_metadata(b"key", value)?;
        write.commit(Durability::Immediate)
    }

    #[test]
    fn a_compaction_whose_directory_cannot_be_synced_loses_no_acknowledged_commit() {
        let directory = tempfile::tempdir().unwrap();
        let open = || GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        let store = open();
        put(&store, b"before").unwrap();
        let fails = |path: &Path| Err(Error::io("sync the directory", path, std::io::Error::other("no")));
        let error = store.compact_and(&fails).unwrap_err();
        assert!(error.to_string().contains("sync the directory"), "{error}");
        assert_eq!(
            store.snapshot().metadata(b"key").unwrap().unwrap(),
            b"before",
            "reads go on"
        );
        let refused = put(&store, b"refused").unwrap_err();
        assert!(refused.to_string().contains("opened again"), "{refused}");
        store.close().unwrap();
        let store = open();
        assert_eq!(store.snapshot().metadata(b"key").unwrap().unwrap(), b"before");
        put(&store, b"after").unwrap();
        drop(store);
        assert_eq!(open().snapshot().metadata(b"key").unwrap().unwrap(), b"after");
    }
}
