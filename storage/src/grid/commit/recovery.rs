//! Opening: which superblock is taken, and whether what it refers to reached the disk.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::head::{Head, PendingRollback};
use super::wal::Wal;
use crate::backend::traits::StorageBackend;
use crate::error::{DisplayPath, Error, Result};
use crate::grid::format::object::FORMAT_VERSION;
use crate::grid::format::object::Kind;
use crate::grid::format::reference::Ref;
use crate::grid::format::superblock::{
    RESERVED_BYTES, SUPERBLOCK_BYTES, Superblock, SuperblockError, SuperblockSlot,
};
use crate::grid::format::value::Value;
use crate::grid::objects::chunk_source::base_of;
use crate::grid::objects::source::Source;
use crate::grid::objects::space_table::{SpaceTable, read_space};
use crate::grid::objects::table_reader::read_table_node;
use crate::grid::objects::writer::{Objects, Writer};
use crate::grid::read::state::{Current, Published, State};
use crate::grid::tree::node::{Node, ROOT, read_node};
use crate::lock::DirectoryLock;

/// Writes an empty store into an empty file and syncs it.
pub(crate) fn create(data: &dyn StorageBackend) -> Result<()> {
    let store_id = RandomState::new().build_hasher().finish();
    let first =
        Superblock { store_id, commit: 1, durable_commit: 1, next_sequence: 1, ..Superblock::default() };
    let write = || {
        data.set_len(RESERVED_BYTES)?;
        for slot in SuperblockSlot::ALL {
            data.write(slot.offset(), &first.encode())?;
        }
        data.sync()
    };
    write().map_err(|e| Error::io("create", data.path(), e))
}

/// Opens what is in these files: the head for the writer, and the newest state for the readers.
pub(crate) fn open(
    data: Arc<dyn StorageBackend>,
    wal: Arc<dyn StorageBackend>,
    lock: Option<Arc<DirectoryLock>>,
) -> Result<(Head, Current)> {
    let objects = Objects::new(data, lock)?;
    let found = read_superblocks(&objects)?;
    let (slot, superblock) = choose(&objects, &found)?;
    // A process may have been killed before it synced this superblock, even one that says that everything is durable.
    // The next commit writes over the other one, which is durable, so this one must become durable first.
    objects.backend.sync().map_err(|e| Error::io("sync", objects.path(), e))?;
    let (table, space) = read_space(&objects, &superblock)?;
    let seen = found.iter().map(|(_, found)| found.commit);
    let newest_seen = seen.fold(superblock.commit, u64::max);
    let clean = superblock.durable_commit == superblock.commit && newest_seen == superblock.commit;
    let state = Arc::new(State {
        commit: superblock.commit,
        root: superblock.root,
        next_sequence: superblock.next_sequence,
        source: objects.committed(),
    });
    let current = Current::new(Arc::clone(&state));
    let mut head = Head {
        writer: Writer { objects, space, commit: newest_seen },
        table,
        published: Published::new(state),
        wal: Wal::new(wal, superblock.store_id),
        root: superblock.root,
        commit: superblock.commit,
        next_sequence: superblock.next_sequence,
        store_id: superblock.store_id,
        durable: superblock,
        accepted: superblock,
        copy: superblock.copy,
        durable_slot: slot,
        log_continues: true,
        pending: PendingRollback::default(),
        broken: None,
        last_attempt: newest_seen,
    };
    replay(&mut head, &current, clean)?;
    Ok((head, current))
}

fn replay(head: &mut Head, current: &Current, clean: bool) -> Result<()> {
    let payloads = head.wal.recover(head.durable.commit, u64::MAX)?;
    if clean && payloads.is_empty() {
        return Ok(());
    }
    for payload in payloads {
        head.redo(&payload, current)?;
    }
    // What the last process had only handed to the operating system becomes durable before anything builds on it.
    head.fold_log(current)
}

/// Valid superblocks and where they stand.
type Found = Vec<(SuperblockSlot, Superblock)>;

/// The valid superblocks, newest first; an error when there is none.
pub(crate) fn read_superblocks(objects: &Objects) -> Result<Vec<(SuperblockSlot, Superblock)>> {
    let path = objects.path();
    let len = objects.backend.len().map_err(|e| Error::io("measure", path, e))?;
    let view = objects.backend.view(len).map_err(|e| Error::io("map", path, e))?;
    let mut found = Found::new();
    let mut refused = None;
    for slot in SuperblockSlot::ALL {
        let decoded = match view.bytes(slot.offset(), SUPERBLOCK_BYTES) {
            Ok(bytes) => Superblock::decode(&bytes).inspect_err(|_| {
                if bytes.iter().any(|byte| *byte != 0) {
                    warn_of_older(path, "a superblock does not check");
                }
            }),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(SuperblockError::Invalid("the file ends before it"))
            }
            Err(e) => return Err(Error::io("read", path, e)),
        };
        match decoded {
            Ok(superblock) => found.push((slot, superblock)),
            Err(error) => refused = refused.or(Some((slot, error))),
        }
    }
    found.sort_by_key(|(_, superblock)| std::cmp::Reverse((superblock.commit, superblock.durable_commit)));
    match refused {
        _ if !found.is_empty() => Ok(found),
        Some((_, SuperblockError::Version(found))) => Err(Error::UnsupportedVersion {
            path: DisplayPath(path.to_owned()),
            found,
            supported: FORMAT_VERSION,
        }),
        Some((slot, SuperblockError::Invalid(reason))) => {
            let reason = format!("{reason}; salvage looks for copies of them among the objects");
            Err(Error::corrupt(path, slot.offset(), "both superblocks", reason))
        }
        None => Err(Error::internal("there are no superblocks")),
    }
}

/// After a loss of power this is as it should be: the commit was under way. After damage it was acknowledged and is lost.
fn warn_of_older(path: &Path, reason: &str) {
    let file = path.display();
    tracing::warn!(%file, reason, "the newest commit may be missing; files of its rows would be in lost+found");
}

/// The newest superblock all of whose unsynced objects are there.
fn choose(objects: &Objects, found: &Found) -> Result<(SuperblockSlot, Superblock)> {
    let mut first_error = None;
    for (slot, superblock) in found {
        match check_new_objects(objects, superblock) {
            Ok(()) => return Ok((*slot, *superblock)),
            Err(error @ Error::Corrupt { .. }) => {
                warn_of_older(objects.path(), &error.to_string());
                first_error = first_error.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    Err(first_error.unwrap_or_else(|| Error::internal("there are no superblocks")))
}

/// Refuses a superblock if an object that it refers to did not reach the disk.
pub(crate) fn check_new_objects(objects: &Objects, superblock: &Superblock) -> Result<()> {
    let durable = superblock.durable_commit;
    check_tree(objects, &superblock.root, ROOT, durable)?;
    if !superblock.copy.is_null() && superblock.copy.birth > durable {
        objects.object(&superblock.copy, Kind::Superblock)?;
    }
    if superblock.space.is_null() {
        return Ok(());
    }
    let (_, maps) = SpaceTable::read(objects, &superblock.space, superblock.space_depth, superblock.regions)?;
    for map in maps.iter().filter(|map| !map.is_null() && map.birth > durable) {
        objects.object(map, Kind::Region)?;
    }
    Ok(())
}

/// Reads every object of a tree that was written after `durable`. What refers to a new object is new too, so the walk
/// ends at old ones.
fn check_tree(objects: &Objects, node: &Ref, below: u8, durable: u64) -> Result<()> {
    if node.is_null() || node.birth <= durable {
        return Ok(());
    }
    match read_node(objects, node, below)? {
        Node::Branch(height, children) => {
            children.iter().try_for_each(|(_, child)| check_tree(objects, child, height, durable))
        }
        Node::Leaf(entries) => entries.iter().try_for_each(|(_, value)| match value {
            Value::Version(record) => check_tree(objects, &record.root, ROOT, durable),
            Value::Matrix(record) => {
                check_table(objects, &record.chunks.children, record.chunks.depth, Kind::Chunk, durable)
            }
            Value::Blob { pieces, .. } => {
                check_table(objects, &pieces.children, pieces.depth, Kind::Blob, durable)
            }
            Value::Inline(_) | Value::Adapter(_) | Value::Tag(_) => Ok(()),
        }),
    }
}

fn check_table(objects: &Objects, children: &[Ref], depth: u8, kind: Kind, durable: u64) -> Result<()> {
    for child in children.iter().filter(|child| !child.is_null() && child.birth > durable) {
        if depth > 0 {
            let entries = read_table_node(objects, child, depth)?;
            check_table(objects, &entries, depth - 1, kind, durable)?;
            continue;
        }
        objects.object(child, kind)?;
        check_bases(objects, child, durable)?;
    }
    Ok(())
}

/// Reads the new chunks under a patch.
fn check_bases(objects: &Objects, chunk: &Ref, durable: u64) -> Result<()> {
    let mut chunk = *chunk;
    for above in 0.. {
        match base_of(objects, &chunk, above)? {
            Some(base) if base.birth > durable => chunk = base,
            _ => break,
        }
        objects.object(&chunk, Kind::Chunk)?;
    }
    Ok(())
}
