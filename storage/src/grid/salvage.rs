//! Salvage: whatever of a damaged store can still be read, in a new one.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::backend::directory::FileDirectory;
use crate::backend::file::FileBackend;
use crate::backend::memory::MemoryBackend;
use crate::backend::traits::StorageBackend;
use crate::error::{Error, Result};
use crate::grid::commit::durability::Durability;
use crate::grid::commit::files::{DATA_FILE, LOCK_FILE, WAL_FILE, is_there};
use crate::grid::commit::recovery::{check_new_objects, read_superblocks};
use crate::grid::commit::wal::Wal;
use crate::grid::format::object::UNIT_BYTES;
use crate::grid::format::superblock::{COPY_BYTES, Superblock};
use crate::grid::objects::source::Source;
use crate::grid::objects::writer::Objects;
use crate::grid::store::{GridOptions, GridStore};
use crate::grid::upkeep::copy::{Copier, OnDamage};
use crate::grid::upkeep::damage::{Damage, Held};
use crate::grid::write::update::UpdateBatch;
use crate::integer::to_usize;
use crate::lock::DirectoryLock;

/// What [`salvage`] left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Damaged objects. A matrix or a metadata value with any of its parts damaged is left out as a whole.
    pub left_out: Vec<Damage>,
    /// Versions that lack something that was left out; they are there with the rest.
    pub incomplete: Vec<Held>,
    /// Batches of the write-ahead log that were applied.
    pub applied_batches: u64,
    /// Batches that no longer could be, because what they change was left out.
    pub lost_batches: u64,
    /// The commit that was salvaged.
    pub commit_number: u64,
    /// Whether neither superblock could be used and a copy of one was taken, found among the objects. It may be older
    /// than the last commit, or of a commit that was under way when the process ended.
    pub from_copy: bool,
}

/// How many copies of superblocks are tried.
const MAX_COPIES: usize = 32;
/// How much of the file is searched for them at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// Copies what can be read of the store in `damaged` into a new store in `into`, which must not hold one. The
/// damaged store is not changed.
///
/// It starts from the newest superblock that a recovery would take, else from the newest whose tree can be read, else
/// from the newest copy of a superblock among the objects. A file with neither is refused: the checksum of an object
/// stands in what refers to it, so nothing would prove what a search finds.
pub fn salvage(damaged: &Path, into: &Path) -> Result<Salvaged> {
    if is_there(&FileDirectory::new(into), DATA_FILE)? {
        let name = into.display().to_string();
        return Err(Error::AlreadyExists { kind: "store", name });
    }
    let _lock = DirectoryLock::acquire(damaged, LOCK_FILE, "salvage")?;
    let data = damaged.join(DATA_FILE);
    let data = FileBackend::open_existing(&data).map_err(|e| Error::io("open", &data, e))?;
    let objects = Objects::new(Arc::new(data), None)?;
    let store = GridStore::open(into, &GridOptions::default())?;
    let mut best = None;
    for candidate in candidates(&objects)? {
        let Candidate { superblock, from_copy } = candidate;
        let mut wal = Wal::new(open_log(damaged)?, superblock.store_id);
        let records = wal.recover(superblock.commit, u64::MAX)?;
        let mut salvaged = copy(&store, &objects, &superblock)?;
        salvaged.from_copy = from_copy;
        for record in records {
            let applied = UpdateBatch::decode(&record)
                .is_ok_and(|batch| store.update(&batch, Durability::Eventual).is_ok());
            salvaged.applied_batches += u64::from(applied);
            salvaged.lost_batches += u64::from(!applied);
        }
        let root_lost = salvaged.left_out.iter().any(|damage| damage.offset == superblock.root.offset());
        best = Some(salvaged);
        if !root_lost {
            break;
        }
    }
    store.close()?;
    best.ok_or_else(|| Error::internal("there are no superblocks"))
}

/// The write-ahead log, which may be missing.
fn open_log(damaged: &Path) -> Result<Arc<dyn StorageBackend>> {
    let path = damaged.join(WAL_FILE);
    match FileBackend::open_existing(&path) {
        Ok(log) => Ok(Arc::new(log)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Arc::new(MemoryBackend::new(WAL_FILE, Vec::new()))),
        Err(e) => Err(Error::io("open", &path, e)),
    }
}

/// A superblock to salvage from.
#[derive(Clone, Copy)]
struct Candidate {
    superblock: Superblock,
    from_copy: bool,
}

/// Superblocks to try in turn: those that a recovery would take first, then the newest.
fn candidates(objects: &Objects) -> Result<Vec<Candidate>> {
    let refused = match read_superblocks(objects) {
        Ok(found) => {
            let found = found.into_iter().map(|(_, superblock)| Candidate { superblock, from_copy: false });
            let mut found: Vec<_> = found.collect();
            found.sort_by_cached_key(|candidate| check_new_objects(objects, &candidate.superblock).is_err());
            let readable = |Candidate { superblock, .. }: &Candidate| {
                superblock.root.is_null() || objects.bytes(&superblock.root, "the main tree").is_ok()
            };
            if found.iter().any(readable) {
                return Ok(found);
            }
            None
        }
        Err(error @ Error::Corrupt { .. }) => Some(error),
        Err(error) => return Err(error),
    };
    let copies = find_copies(objects)?;
    match refused {
        Some(error) if copies.is_empty() => Err(error),
        _ => Ok(copies.into_iter().map(|superblock| Candidate { superblock, from_copy: true }).collect()),
    }
}

/// The newest copies of superblocks in the file.
fn find_copies(objects: &Objects) -> Result<Vec<Superblock>> {
    let path = objects.path();
    let len = objects.backend.len().map_err(|e| Error::io("measure", path, e))?;
    let view = objects.backend.view(len).map_err(|e| Error::io("map", path, e))?;
    let mut found: Vec<Superblock> = Vec::new();
    let mut offset = 0;
    while offset < len {
        let left = to_usize(len - offset);
        let window = view
            .bytes(offset, left.min(WINDOW_BYTES + COPY_BYTES))
            .map_err(|e| Error::io("read", path, e))?;
        let starts = (0..left.min(WINDOW_BYTES)).step_by(to_usize(UNIT_BYTES));
        found.extend(starts.filter_map(|start| Superblock::decode_copy(window.get(start..)?)));
        offset += WINDOW_BYTES as u64;
    }
    found.sort_by_key(|copy| std::cmp::Reverse(copy.commit));
    found.dedup_by_key(|copy| copy.commit);
    found.truncate(MAX_COPIES);
    // Copies that a recovery would take come first; of the others not everything reached the disk.
    found.sort_by_cached_key(|copy| check_new_objects(objects, copy).is_err());
    Ok(found)
}

/// Copies the tree of a superblock as far as it can be read.
fn copy(store: &GridStore, objects: &Objects, superblock: &Superblock) -> Result<Salvaged> {
    store.committer.with_head(|head| {
        head.begin()?;
        let mut copier = Copier::new(objects, &mut head.writer, OnDamage::LeaveOut);
        let copied = copier.main_tree(&superblock.root);
        let salvaged = Salvaged {
            left_out: std::mem::take(&mut copier.left_out),
            incomplete: std::mem::take(&mut copier.incomplete),
            commit_number: superblock.commit,
            ..Salvaged::default()
        };
        let root = copied.inspect_err(|_| head.abort())?;
        let current = store.committer.current();
        head.commit_root(root, superblock.next_sequence, Durability::Immediate, current)?;
        Ok(salvaged)
    })
}
