//! A selection reads what it wants and nothing else, and gives what the whole would give of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use hyprstream_storage::backend::MemoryBackend;
use hyprstream_storage::{
    DataType, Durability, GridOptions, GridStore, MatrixInfo, MatrixPath, Selection, Shape, Snapshot,
    UpdateBatch, VersionPath,
};

use crate::support::Rng;
use crate::support::image::{image, some_ops};
use crate::support::reads::{CHUNK, LEAF, ReadLog};

const LAYERS: u32 = 120;
/// The layer whose matrices have four chunks each, A one beside the other, B one under the other.
const LARGE: u32 = 3;
const OLD: VersionPath<'_> = VersionPath::new("support", "1");
const NEW: VersionPath<'_> = VersionPath::new("support", "2");

fn path(version: VersionPath<'_>, layer: u32, module: &str, matrix: &str) -> MatrixPath {
    MatrixPath::new(version.adapter, version.version, layer, module, matrix)
}

fn shape(layer: u32, matrix: &str) -> Shape {
    match (layer, matrix) {
        (LARGE, "A") => Shape::new(64, 4096),
        (LARGE, _) => Shape::new(512, 512),
        _ => Shape::new(8, 16),
    }
}

/// Two versions that differ in every chunk of every matrix.
fn store() -> (GridStore, ReadLog) {
    let data = MemoryBackend::new("data", Vec::new());
    GridStore::create_backend(&data).unwrap();
    let log = ReadLog::new(data);
    let wal = Arc::new(MemoryBackend::new("wal", Vec::new()));
    let store = GridStore::open_backends(Arc::new(log.clone()), wal, &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    let mut changes = UpdateBatch::new();
    for layer in 0..LAYERS {
        for module in ["q_proj", "v_proj"] {
            for matrix in ["A", "B"] {
                let shape = shape(layer, matrix);
                let values: Vec<f32> = (0..shape.rows * shape.cols)
                    .map(|at| if at % 7 == 0 { 1.0 + at as f32 } else { 0.0 })
                    .collect();
                write.put_matrix(&path(OLD, layer, module, matrix), shape, DataType::F32, &values).unwrap();
                let edits = (0..shape.rows as u32).step_by(64).flat_map(|row| {
                    let cols = (0..shape.cols as u32).step_by(512);
                    cols.map(move |col| (row, col, -1.0))
                });
                changes.set(&path(NEW, layer, module, matrix), &edits.collect::<Vec<_>>());
            }
        }
    }
    write.branch_version(OLD, NEW).unwrap();
    write.apply(&changes).unwrap();
    write.commit(Durability::Immediate).unwrap();
    (store, log)
}

fn differences(snapshot: &Snapshot, selection: &Selection) -> Vec<(u32, String, String, usize, usize)> {
    let mut elements = Vec::new();
    for found in snapshot.diff(OLD, NEW, selection).unwrap() {
        let mut visit = |row, col, _, _| {
            elements.push((found.layer, found.module.clone(), found.matrix.clone(), row, col));
            Ok(())
        };
        snapshot.for_each_difference(OLD, NEW, &found, selection, &mut visit).unwrap();
    }
    elements
}

fn of_layer(layers: RangeInclusive<u32>) -> Selection {
    Selection { layers, ..Selection::default() }
}

/// The chunks that these matrices of both versions read.
fn chunks_of(snapshot: &Snapshot, log: &ReadLog, wanted: impl Fn(&MatrixInfo) -> bool) -> BTreeSet<u64> {
    log.during(CHUNK, || {
        for VersionPath { adapter, version } in [OLD, NEW] {
            for info in snapshot.matrices(adapter, version).unwrap().iter().filter(|info| wanted(info)) {
                let mut values = vec![0.0; info.shape.elements().unwrap()];
                snapshot.read_matrix(&info.path, &mut values).unwrap();
            }
        }
    })
}

/// The chunk of one element in these versions.
fn chunk_of(
    snapshot: &Snapshot,
    log: &ReadLog,
    versions: &[VersionPath<'_>],
    matrix: &str,
    (row, col): (usize, usize),
) -> BTreeSet<u64> {
    log.during(CHUNK, || {
        for version in versions {
            let path = path(*version, LARGE, "v_proj", matrix);
            snapshot.matrix(&path).unwrap().unwrap().get(row, col).unwrap();
        }
    })
}

#[test]
fn a_selection_of_one_layer_reads_the_pages_of_that_layer_alone() {
    let (store, log) = store();
    let snapshot = store.snapshot();
    for layer in [0, LARGE, 31, LAYERS - 1] {
        let mut found = Vec::new();
        let chunks = log.during(CHUNK, || found = differences(&snapshot, &of_layer(layer..=layer)));
        assert_eq!(chunks, chunks_of(&snapshot, &log, |info| info.path.layer == layer));
        assert!(!found.is_empty() && found.iter().all(|(found, ..)| *found == layer));
        let everything = Selection::default();
        let leaves = |selection: &Selection| {
            log.during(LEAF, || {
                snapshot.diff(OLD, NEW, selection).unwrap();
            })
            .len()
        };
        let (some, all) = (leaves(&of_layer(layer..=layer)), leaves(&everything));
        assert!(all > 12 && some <= 5, "{some} of {all} leaves of the tree");
        let listed = |selection: &Selection| {
            log.during(LEAF, || {
                snapshot.selected_matrices(NEW.adapter, NEW.version, selection).unwrap();
            })
            .len()
        };
        let (some, all) = (listed(&of_layer(layer..=layer)), listed(&everything));
        assert!(all > 6 && some <= 3, "{some} of {all} leaves of one version's tree");
    }
    let nothing = log.during(CHUNK, || {
        assert_eq!(differences(&snapshot, &of_layer(LAYERS..=LAYERS + 99)), []);
    });
    assert_eq!(nothing, BTreeSet::new());
}

#[test]
fn a_selection_of_a_module_and_a_matrix_reads_no_other_chunks() {
    let (store, log) = store();
    let snapshot = store.snapshot();
    let selection = Selection {
        modules: Some(BTreeSet::from(["v_proj".to_owned()])),
        matrix: Some("B".to_owned()),
        ..Selection::default()
    };
    let mut found = Vec::new();
    let chunks = log.during(CHUNK, || found = differences(&snapshot, &selection));
    let wanted = |info: &MatrixInfo| info.path.module == "v_proj" && info.path.matrix == "B";
    assert_eq!(chunks, chunks_of(&snapshot, &log, wanted));
    let layers: BTreeSet<u32> = found.iter().map(|(layer, ..)| *layer).collect();
    assert_eq!(layers, (0..LAYERS).collect());
}

#[test]
fn a_narrow_range_of_rows_or_columns_reads_the_chunks_that_hold_it() {
    let (store, log) = store();
    let snapshot = store.snapshot();
    let all = 0..usize::MAX;
    for (matrix, rows, cols) in [
        ("A", all.clone(), 1024..1030),
        ("A", 0..1, 1500..1501),
        ("B", 130..131, all.clone()),
        ("B", 128..129, 500..512),
    ] {
        let selection = Selection {
            modules: Some(BTreeSet::from(["v_proj".to_owned()])),
            matrix: Some(matrix.to_owned()),
            rows: rows.clone(),
            cols: cols.clone(),
            ..of_layer(LARGE..=LARGE)
        };
        let first = (rows.start, cols.start);
        let held = chunk_of(&snapshot, &log, &[OLD, NEW], matrix, first);
        assert!(!held.is_empty() && held.len() <= 2, "a chunk, and the one that replaced it");
        let read = log.during(CHUNK, || {
            differences(&snapshot, &selection);
        });
        assert_eq!(read, held, "{selection:?}");
        let path = path(NEW, LARGE, "v_proj", matrix);
        let one = snapshot.matrix(&path).unwrap().unwrap();
        let read = log.during(CHUNK, || {
            one.for_each_active(rows.clone(), cols.clone(), &mut |row, col, _| {
                assert!(rows.contains(&row) && cols.contains(&col));
                Ok(())
            })
            .unwrap();
        });
        let held = chunk_of(&snapshot, &log, &[NEW], matrix, first);
        assert_eq!(read, held, "{selection:?}");
    }
}

type Elements = BTreeMap<(u32, String, String, usize, usize), (u32, u32)>;

/// Every element of a selection in which two versions differ, when both have its matrix in one shape.
fn elements(
    snapshot: &Snapshot,
    from: VersionPath<'_>,
    to: VersionPath<'_>,
    selection: &Selection,
) -> Elements {
    let mut elements = Elements::new();
    for found in snapshot.diff(from, to, selection).unwrap() {
        if found.chunks.is_empty() {
            continue;
        }
        let mut visit = |row, col, was: f32, is: f32| {
            let element = (found.layer, found.module.clone(), found.matrix.clone(), row, col);
            elements.insert(element, (was.to_bits(), is.to_bits()));
            Ok(())
        };
        snapshot.for_each_difference(from, to, &found, selection, &mut visit).unwrap();
    }
    elements
}

fn random_selection(rng: &mut Rng) -> Selection {
    let mut range = |most: u64| -> Range<usize> {
        if rng.below(3) == 0 {
            return 0..usize::MAX;
        }
        let start = rng.below(most) as usize;
        start..start + rng.below(most / 2) as usize
    };
    let (rows, cols, layer) = (range(400), range(2500), range(2));
    Selection {
        layers: layer.start as u32..=u32::try_from(layer.end).unwrap_or(u32::MAX),
        modules: (rng.below(2) == 0).then(|| BTreeSet::from(["v_proj".to_owned()])),
        matrix: (rng.below(2) == 0).then(|| ["A", "B"][rng.below(2) as usize].to_owned()),
        rows,
        cols,
    }
}

#[test]
fn a_selection_gives_what_the_whole_gives_of_it() {
    let image = image(&some_ops(), false);
    let data = MemoryBackend::new("data", image.data);
    let wal = MemoryBackend::new("wal", image.wal);
    let store = GridStore::open_backends(Arc::new(data), Arc::new(wal), &GridOptions::default()).unwrap();
    let snapshot = store.snapshot();
    let versions = [("support", "1"), ("support", "3"), ("sales", "1"), ("sales", "2")];
    let versions = versions.map(|(adapter, version)| match snapshot.resolve(adapter, version).unwrap() {
        Some(_) => VersionPath::new(adapter, version),
        None => OLD,
    });
    let mut rng = Rng(3);
    let mut compared = 0;
    for from in versions {
        for to in versions {
            let whole = elements(&snapshot, from, to, &Selection::default());
            for _ in 0..40 {
                let selection = random_selection(&mut rng);
                let mut expected = whole.clone();
                expected.retain(|(layer, module, matrix, row, col), _| {
                    selection.layers.contains(layer)
                        && selection.modules.as_ref().is_none_or(|wanted| wanted.contains(module))
                        && selection.matrix.as_ref().is_none_or(|wanted| wanted == matrix)
                        && selection.rows.contains(row)
                        && selection.cols.contains(col)
                });
                compared += expected.len();
                assert!(elements(&snapshot, from, to, &selection) == expected, "{selection:?}");
                let mut matrices = snapshot.matrices(to.adapter, to.version).unwrap();
                matrices.retain(|info| {
                    selection.layers.contains(&info.path.layer)
                        && selection.modules.as_ref().is_none_or(|wanted| wanted.contains(&info.path.module))
                        && selection.matrix.as_ref().is_none_or(|wanted| *wanted == info.path.matrix)
                });
                assert_eq!(snapshot.selected_matrices(to.adapter, to.version, &selection).unwrap(), matrices);
            }
        }
    }
    assert!(compared > 0);
}
