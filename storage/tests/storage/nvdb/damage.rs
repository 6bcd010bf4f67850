//! Damaged `NanoVDB` files: never a panic, and with a list of matrices never a wrong value.
//!
//! `HYPRSTREAM_MUTATIONS` says how many mutated files are tried (100,000 is the full count).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use hyprstream_storage::{
    DataType, Durability, GridOptions, GridStore, MatrixPath, NvdbGrid, Shape, UpdateBatch, export_nvdb,
    import_nvdb, parse_nvdb,
};

use crate::support::{Rng, count, make_values};

/// Where the file's header and metadata, its name, the grid's head and the tree's root end.
const HEADS: u64 = 1100;

/// A file with matrices of both types in every density, and what is in it.
fn exported(directory: &Path) -> (Vec<u8>, NvdbGrid) {
    let store = GridStore::open(&directory.join("grid"), &GridOptions::default()).unwrap();
    let path = |layer| MatrixPath::new("support", "1", layer, "q_proj", "A");
    let mut write = store.begin_write().unwrap();
    for (layer, (dtype, density)) in
        [(DataType::F32, 1), (DataType::F16, 2), (DataType::F32, 3), (DataType::F16, 1), (DataType::F16, 5)]
            .into_iter()
            .enumerate()
    {
        let mut values = make_values((60, 40), density, layer as u64);
        for value in &mut values {
            *value = value.clamp(-2.0, 2.0);
        }
        let layer = layer as u32;
        write.put_matrix(&path(layer), Shape::new(60, 40), dtype, &values).unwrap();
    }
    let mut batch = UpdateBatch::new();
    batch.set(&path(4), &[(30, 0, 0.25), (3, 4, -0.5)]);
    write.apply(&batch).unwrap();
    write.commit(Durability::Immediate).unwrap();
    let file = directory.join("support.nvdb");
    export_nvdb(&store.snapshot(), "support", "1", &file).unwrap();
    (std::fs::read(&file).unwrap(), import_nvdb(&file).unwrap())
}

/// Most of a grid is empty tables, so the damage aims at its heads, its leaves and its list of matrices.
fn offset(rng: &mut Rng, len: usize, leaves: usize) -> usize {
    let (first, end) = match rng.below(4) {
        0 => (0, HEADS as usize),
        1 => (leaves, len - 1000),
        2 => (len - 1000, len),
        _ => (0, len),
    };
    first + rng.below((end - first) as u64) as usize
}

fn mutate(bytes: &[u8], leaves: usize, rng: &mut Rng) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..=rng.below(3) {
        let at = offset(rng, bytes.len(), leaves).min(damaged.len() - 1);
        let len = damaged.len();
        match rng.below(8) {
            0..=2 => damaged[at] ^= 1 << rng.below(8),
            3 => damaged.truncate(at.max(1)),
            4 => {
                let size = [32, 512, 2144][rng.below(3) as usize];
                let other = offset(rng, bytes.len(), leaves).min(len - 1);
                let (a, b) = (at.min(len.saturating_sub(size)), other.min(len.saturating_sub(size)));
                let size = size.min(len);
                let copy = damaged[a..a + size].to_vec();
                damaged.copy_within(b..b + size, a);
                damaged[b..b + size].copy_from_slice(&copy);
            }
            5 => damaged[at..(at + rng.below(3000) as usize).min(len)].fill(0),
            6 => {
                let end = (at + rng.below(64) as usize).min(len);
                damaged[at..end].iter_mut().for_each(|byte| *byte = rng.next() as u8);
            }
            _ => {
                let end = (at + 1 + rng.below(16) as usize).min(len);
                let extra = damaged[at..end].to_vec();
                damaged.splice(at..at, extra);
            }
        }
    }
    damaged
}

#[test]
fn mutated_grids_are_refused_or_read_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let (bytes, good) = exported(directory.path());
    let leaves = bytes.len() - 1000 - good.voxels.len().min(20) * 2144;
    let (mut same, mut unlisted, count) = (0, 0, count("HYPRSTREAM_MUTATIONS", 4000));
    for seed in 0..count {
        let damaged = mutate(&bytes, leaves, &mut Rng(seed));
        let outcome = catch_unwind(AssertUnwindSafe(|| parse_nvdb(Path::new("damaged"), &damaged)));
        let Ok(found) = outcome.unwrap_or_else(|_| panic!("seed {seed} panicked")) else {
            continue;
        };
        // Without its list a grid is somebody else's, whose values nothing proves, and it goes into no store.
        if found.matrices.is_none() {
            unlisted += 1;
            continue;
        }
        same += 1;
        assert!(found == good, "seed {seed}: a wrong value was read");
    }
    assert!(same > 0 && same + unlisted < count, "{same} and {unlisted} of {count} were read");
}

#[test]
fn a_single_bit_that_flips_anywhere_it_matters_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (bytes, good) = exported(directory.path());
    let tail = bytes.len() - 1000;
    for at in (0..HEADS as usize).chain(tail..bytes.len()) {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(found) = parse_nvdb(Path::new("damaged"), &damaged) {
                assert!(
                    found.matrices.is_none() || found == good,
                    "byte {at}, bit {bit}: a wrong value was read"
                );
            }
        }
    }
}

#[test]
fn a_grid_that_lost_its_list_of_matrices_is_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let (mut bytes, _) = exported(directory.path());
    let name = b"hyprstream.matrices";
    let at = bytes.windows(name.len()).position(|part| part == name).unwrap();
    bytes[at] ^= 1;
    let grid = parse_nvdb(Path::new("damaged"), &bytes).unwrap();
    assert_eq!(grid.matrices, None);
    let store = GridStore::open(&directory.path().join("into"), &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    let refused = grid.store(&mut write, "support", "1").unwrap_err();
    assert!(refused.to_string().contains("does not list matrices"), "{refused}");
}
