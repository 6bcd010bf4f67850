//! Salvage: whatever of a damaged store can still be read, in a new one.

use std::path::Path;
use std::sync::Arc;

use super::Durability;
use super::copy::Copier;
use super::format::Ref;
use super::recovery::read_superblocks;
use super::store::{DATA_FILE, GridOptions, GridStore, WAL_FILE};
use super::update::UpdateBatch;
use super::verify::Damage;
use super::wal::Wal;
use super::writer::Objects;
use crate::backend::FileBackend;
use crate::error::{Error, Result};

/// What [`salvage`] left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Damaged objects. A matrix or a metadata value with any of its parts damaged is left out as a whole.
    pub left_out: Vec<Damage>,
    /// Batches of the write-ahead log that were applied.
    pub applied_batches: u64,
    /// Batches that no longer could be, because what they change was left out.
    pub lost_batches: u64,
}

/// Copies what can be read of the store in `damaged` into a new store in `into`, which must not hold one. The
/// damaged store is not changed. It needs one of its superblocks; the newest whose tree can be read is taken.
pub fn salvage(damaged: &Path, into: &Path) -> Result<Salvaged> {
    if into.join(DATA_FILE).exists() {
        let name = into.display().to_string();
        return Err(Error::AlreadyExists { kind: "store", name });
    }
    let _lock = crate::lock::DirectoryLock::acquire(damaged, super::store::LOCK_FILE, "salvage")?;
    let open = |name: &str| {
        let path = damaged.join(name);
        FileBackend::open(&path)
            .map(Arc::new)
            .map_err(|e| Error::io("open", &path, e))
    };
    let objects = Objects::new(open(DATA_FILE)?, None)?;
    let store = GridStore::open(into, &GridOptions::default())?;
    let mut best: Option<(Salvaged, u64)> = None;
    for (_, superblock) in read_superblocks(&objects)? {
        let mut wal = Wal::new(open(WAL_FILE)?, superblock.store_id);
        let records = wal.recover(superblock.commit)?;
        let left_out = copy(&store, &objects, &superblock.root, superblock.next_sequence)?;
        let root_lost = left_out
            .iter()
            .any(|damage| damage.offset == superblock.root.offset());
        let mut salvaged = Salvaged {
            left_out,
            ..Salvaged::default()
        };
        for record in records {
            let applied = UpdateBatch::decode(&record)
                .is_ok_and(|batch| store.update(&batch, Durability::Eventual).is_ok());
            salvaged.applied_batches += u64::from(applied);
            salvaged.lost_batches += u64::from(!applied);
        }
        best = Some((salvaged, superblock.commit));
        if !root_lost {
            break;
        }
    }
    store.close()?;
    best.map(|(salvaged, _)| salvaged)
        .ok_or_else(|| Error::internal("there are no superblocks"))
}

fn copy(store: &GridStore, objects: &Objects, root: &Ref, next_sequence: u64) -> Result<Vec<Damage>> {
    store.with_core(|core| {
        core.begin()?;
        let mut copier = Copier::new(objects, &mut core.writer, true);
        let copied = copier.main_tree(root);
        let left_out = copier.left_out.take().unwrap_or_default();
        match copied {
            Ok(root) => {
                core.finish(root, next_sequence, Durability::Immediate, store.current())?;
                Ok(left_out)
            }
            Err(error) => {
                core.abort();
                Err(error)
            }
        }
    })
}
