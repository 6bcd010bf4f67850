//! Salvage: whatever of a damaged store can still be read, in a new one.

use std::path::Path;
use std::sync::Arc;

use super::Durability;
use super::copy::Copier;
use super::damage::{Damage, Held};
use super::files::{DATA_FILE, LOCK_FILE, WAL_FILE, is_there};
use super::format::{COPY_BYTES, Ref, Superblock, UNIT_BYTES};
use super::recovery::{check_new_objects, read_superblocks};
use super::source::Source;
use super::store::{GridOptions, GridStore};
use super::update::UpdateBatch;
use super::wal::Wal;
use super::writer::Objects;
use crate::backend::{FileBackend, FileDirectory};
use crate::error::{Error, Result};

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
    /// Whether neither superblock could be used, so that a copy of one, found among the objects, says what there was.
    /// Then it may be a commit older than the last, or one that was being made when the process ended.
    pub from_copy: bool,
}

/// How many copies of superblocks are tried.
const MAX_COPIES: usize = 32;
/// How much of the file is searched for them at a time.
const WINDOW_BYTES: usize = 1 << 20;
/// Where objects can begin in it.
const UNIT_STEP: usize = 64;
const _: () = assert!(UNIT_STEP as u64 == UNIT_BYTES);

/// Copies what can be read of the store in `damaged` into a new store in `into`, which must not hold one. The
/// damaged store is not changed. The newest superblock that a recovery would take is taken, else the newest whose tree
/// can be read; without one, the newest copy of a superblock that lies among the objects. A file with neither cannot
/// be salvaged: an object's checksum stands in what refers to it, so nothing would prove what is found.
pub fn salvage(damaged: &Path, into: &Path) -> Result<Salvaged> {
    if is_there(&FileDirectory::new(into), DATA_FILE)? {
        let name = into.display().to_string();
        return Err(Error::AlreadyExists { kind: "store", name });
    }
    let _lock = crate::lock::DirectoryLock::acquire(damaged, LOCK_FILE, "salvage")?;
    let open = |name: &str| {
        let path = damaged.join(name);
        FileBackend::open(&path).map(Arc::new).map_err(|e| Error::io("open", &path, e))
    };
    let objects = Objects::new(open(DATA_FILE)?, None)?;
    let store = GridStore::open(into, &GridOptions::default())?;
    let mut best = None;
    for (superblock, from_copy) in candidates(&objects)? {
        let mut wal = Wal::new(open(WAL_FILE)?, superblock.store_id);
        let records = wal.recover(superblock.commit, u64::MAX)?;
        let (left_out, incomplete) = copy(&store, &objects, &superblock.root, superblock.next_sequence)?;
        let root_lost = left_out.iter().any(|damage| damage.offset == superblock.root.offset());
        let mut salvaged = Salvaged {
            left_out,
            incomplete,
            commit_number: superblock.commit,
            from_copy,
            ..Salvaged::default()
        };
        for record in records {
            let applied = UpdateBatch::decode(&record)
                .is_ok_and(|batch| store.update(&batch, Durability::Eventual).is_ok());
            salvaged.applied_batches += u64::from(applied);
            salvaged.lost_batches += u64::from(!applied);
        }
        best = Some(salvaged);
        if !root_lost {
            break;
        }
    }
    store.close()?;
    best.ok_or_else(|| Error::internal("there are no superblocks"))
}

/// Superblocks to try in turn, and whether each is a copy: those that a recovery would take first, then the newest.
fn candidates(objects: &Objects) -> Result<Vec<(Superblock, bool)>> {
    let refused = match read_superblocks(objects) {
        Ok(found) => {
            let found = found.into_iter().map(|(_, superblock)| (superblock, false));
            let mut found: Vec<_> = found.collect();
            found.sort_by_cached_key(|(superblock, _)| check_new_objects(objects, superblock).is_err());
            let readable = |(superblock, _): &(Superblock, bool)| {
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
        _ => Ok(copies.into_iter().map(|copy| (copy, true)).collect()),
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
        let left = usize::try_from(len - offset).unwrap_or(usize::MAX);
        let window = view
            .bytes(offset, left.min(WINDOW_BYTES + COPY_BYTES))
            .map_err(|e| Error::io("read", path, e))?;
        let starts = (0..left.min(WINDOW_BYTES)).step_by(UNIT_STEP);
        found.extend(starts.filter_map(|start| Superblock::decode_copy(window.get(start..)?)));
        offset += WINDOW_BYTES as u64;
    }
    found.sort_by_key(|copy| std::cmp::Reverse(copy.commit));
    found.dedup_by_key(|copy| copy.commit);
    found.truncate(MAX_COPIES);
    // What a recovery would refuse, because not all of it reached the disk, comes after what it would take.
    found.sort_by_cached_key(|copy| check_new_objects(objects, copy).is_err());
    Ok(found)
}

/// What was left out, and of which versions.
type LeftOut = (Vec<Damage>, Vec<Held>);

fn copy(store: &GridStore, objects: &Objects, root: &Ref, next_sequence: u64) -> Result<LeftOut> {
    store.with_core(|core| {
        core.begin()?;
        let mut copier = Copier::new(objects, &mut core.writer, true);
        let copied = copier.main_tree(root);
        let left_out = (copier.left_out.take().unwrap_or_default(), std::mem::take(&mut copier.incomplete));
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
