//! Objects that no store writes, with right checksums: an error, never an abort and never a walk without an end.
#![expect(clippy::unwrap_used, reason = "what panics here is a finding")]

use std::sync::Arc;

use crate::backend::memory::MemoryBackend;
use crate::error::{Error, Result};
use crate::grid::chunk::encode::{Scratch, encode_chunk};
use crate::grid::chunk::patch::{MAX_CHAIN, Patch};
use crate::grid::commit::durability::Durability;
use crate::grid::commit::head::Head;
use crate::grid::format::geometry::Geometry;
use crate::grid::format::reference::Ref;
use crate::grid::format::region::{REGION_WORDS, RegionImage, set_bits};
use crate::grid::format::table::{FANOUT, Table, encode_table_node};
use crate::grid::format::value::{MatrixRecord, Value};
use crate::grid::objects::space::Space;
use crate::grid::objects::space_table::SpaceTable;
use crate::grid::path::{DataType, MatrixPath};
use crate::grid::store::{GridOptions, GridStore};
use crate::grid::tree::keys::matrix_key;
use crate::grid::upkeep::copy::{Copier, OnDamage};
use crate::grid::write::editor::Editor;

const SIDE: u32 = 64;

fn open(data: &MemoryBackend) -> GridStore {
    let wal = Arc::new(MemoryBackend::new("wal", Vec::new()));
    GridStore::open_backends(Arc::new(data.clone()), wal, &GridOptions::default()).unwrap()
}

fn new_store() -> (MemoryBackend, GridStore) {
    let data = MemoryBackend::new("data", Vec::new());
    GridStore::create_backend(&data).unwrap();
    let store = open(&data);
    (data, store)
}

fn path() -> MatrixPath {
    MatrixPath::new("support", "1", 0, "q_proj", "A")
}

/// A matrix of one chunk under this many patches.
fn matrix_under(head: &mut Head, patches: u32) -> Result<MatrixRecord> {
    let dtype = DataType::F32;
    let values = vec![1.0; (SIDE * SIDE) as usize];
    let geometry = Geometry::new(SIDE, SIDE);
    let built = encode_chunk(&geometry, 0, dtype, &values, &mut Scratch::default());
    let mut chunk = head.writer.put(&built.bytes, built.active)?;
    for depth in 0..patches {
        let patch = Patch {
            base: chunk,
            depth: depth.min(MAX_CHAIN),
            chain_bytes: 0,
            elements: vec![(0, depth + 1)],
        };
        chunk = head.writer.put(&patch.encode(dtype)?, built.active | Ref::PATCH)?;
    }
    Ok(MatrixRecord {
        dtype,
        rows: SIDE,
        cols: SIDE,
        active: u64::from(built.active),
        chunks: Table { len: 1, depth: 0, children: vec![chunk] },
    })
}

/// Commits a version with such a matrix.
fn commit_chain(store: &GridStore, patches: u32, durability: Durability) {
    let committed = store.committer.with_head(|head| {
        head.begin()?;
        let record = matrix_under(head, patches)?;
        let path = path();
        let key = matrix_key(path.layer, &path.module, &path.matrix)?;
        let mut editor = Editor::new(head.root, head.next_sequence);
        let draft = editor.draft(&mut head.writer, &path.adapter, &path.version, true)?;
        draft.tree.insert(&mut head.writer, &key, Value::Matrix(record))?;
        let root = editor.flush(&mut head.writer)?;
        head.commit_root(root, editor.next_sequence, durability, store.committer.current())
    });
    committed.unwrap();
}

fn drop_the_version(store: &GridStore) -> Result<()> {
    let mut write = store.begin_write()?;
    write.drop_version("support", "1")?;
    write.commit(Durability::Immediate)
}

/// Copies everything into a new store and says what was left out.
fn salvaged(store: &GridStore) -> (GridStore, usize) {
    let (_, into) = new_store();
    let left_out = store.committer.with_head(|from| {
        into.committer.with_head(|head| {
            head.begin()?;
            let mut copier = Copier::new(&from.writer.objects, &mut head.writer, OnDamage::LeaveOut);
            let root = copier.main_tree(&from.root)?;
            let left_out = copier.left_out.len();
            head.commit_root(root, from.next_sequence, Durability::Immediate, into.committer.current())?;
            Ok(left_out)
        })
    });
    (into, left_out.unwrap())
}

#[test]
fn the_longest_chain_of_patches_is_recovered_counted_copied_and_released() {
    let (data, store) = new_store();
    commit_chain(&store, MAX_CHAIN + 1, Durability::Eventual);
    let killed = MemoryBackend::new("data", data.contents());
    drop(store);
    let store = open(&killed);
    let mut values = vec![0.0; (SIDE * SIDE) as usize];
    store.snapshot().read_matrix(&path(), &mut values).unwrap();
    assert_eq!(values.first().map(|value| value.to_bits()), Some(MAX_CHAIN + 1));
    assert_eq!(store.verify().unwrap().damages, []);
    assert_eq!(store.version_statistics("support", "1").unwrap().patches, 1);
    let (copy, left_out) = salvaged(&store);
    assert_eq!((left_out, copy.verify().unwrap().damages), (0, Vec::new()));
    drop_the_version(&store).unwrap();
    let report = store.verify().unwrap();
    assert_eq!((report.damages, report.leaked_bytes), (Vec::new(), 0));
}

#[test]
fn a_chain_of_patches_that_is_too_long_is_refused_wherever_it_is_read() {
    let (data, store) = new_store();
    commit_chain(&store, MAX_CHAIN + 2, Durability::Eventual);
    let killed = MemoryBackend::new("data", data.contents());
    let recovered = open(&killed);
    assert!(recovered.snapshot().adapters().unwrap().is_empty(), "recovery takes the other superblock");
    let mut values = vec![0.0; (SIDE * SIDE) as usize];
    let read = store.snapshot().read_matrix(&path(), &mut values);
    assert!(matches!(read, Err(Error::Corrupt { .. })));
    assert!(!store.verify().unwrap().damages.is_empty());
    let counted = store.version_statistics("support", "1");
    assert!(matches!(counted, Err(Error::Corrupt { .. })));
    let (copy, left_out) = salvaged(&store);
    assert_eq!(left_out, 1);
    assert_eq!(copy.verify().unwrap().leaked_bytes, 0);
    assert!(matches!(drop_the_version(&store), Err(Error::Corrupt { .. })));
}

#[test]
fn a_table_of_regions_whose_nodes_are_shared_is_refused_before_it_grows() {
    let (_, store) = new_store();
    store
        .committer
        .with_head(|head| {
            head.begin()?;
            let mut node = head.writer.put(&[6], 0)?;
            for depth in 1..=12 {
                node = head.writer.put(&encode_table_node(depth, &[node; FANOUT])?, 0)?;
                for regions in [1, 300, u64::MAX] {
                    let read = SpaceTable::read(&head.writer.objects, &node, depth, regions);
                    assert!(matches!(read, Err(Error::Corrupt { .. })));
                }
            }
            head.abort();
            Ok(())
        })
        .unwrap();
}

#[test]
fn owners_that_cannot_be_counted_are_damage() {
    let (_, store) = new_store();
    store
        .committer
        .with_head(|head| {
            head.begin()?;
            let mut space_of = |extra| {
                let mut image = RegionImage { allocated: vec![0; REGION_WORDS], shared: vec![(200, extra)] };
                set_bits(&mut image.allocated, 0, 201);
                let map = head.writer.put(&image.encode()?, u32::MAX)?;
                Ok::<_, Error>(Space::from_regions(&[map]))
            };
            let (mut most, mut none) = (space_of(u32::MAX)?, space_of(0)?);
            let objects = &head.writer.objects;
            assert!(matches!(most.share(objects, 200), Err(Error::Corrupt { .. })));
            assert!(most.unshare(objects, 200)?);
            assert!(matches!(none.unshare(objects, 200), Err(Error::Corrupt { .. })));
            // The free units that stand beside the reference are wrong too, and are not counted on.
            most.free(objects, 199, 1)?;
            head.abort();
            Ok(())
        })
        .unwrap();
}
