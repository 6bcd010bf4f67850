//! safetensors: dense tensors in one file.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;

use criterion::Criterion;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize_to_file};

use crate::table::Table;
use crate::workload::{COLS, DENSE_SIDE, ROWS, Updates, Workload};

const NAME: &str = "safetensors";

pub fn bench(c: &mut Criterion, directory: &Path, workload: &Workload, table: &mut Table) {
    let path = directory.join("matrices.safetensors");
    let mut matrices: Vec<Vec<u8>> = workload.matrices.iter().map(|values| bytes_of(values)).collect();
    write(&path, &matrices, [ROWS, COLS], false);
    let file_bytes = std::fs::metadata(&path).unwrap().len();
    table.set("bytes_f32", NAME, file_bytes as f64 / workload.active() as f64);
    random_hits(c, &path, workload);
    for (count, batches) in [(1000, &workload.small_batches), (84_000, &workload.large_batches)] {
        for (what, durable) in [("visible", false), ("durable", true)] {
            let mut next = batches.iter().cycle();
            c.benchmark_group(format!("update_{count}_{what}")).bench_function(NAME, |b| {
                b.iter(|| {
                    apply(&mut matrices, next.next().unwrap());
                    write(&path, &matrices, [ROWS, COLS], durable);
                });
            });
        }
    }
    scan(c, &directory.join("dense.safetensors"), workload);
    // A file a checkpoint.
    table.set("checkpoints", NAME, workload.checkpoints.len() as f64);
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn write(path: &Path, matrices: &[Vec<u8>], shape: [usize; 2], durable: bool) {
    let views = matrices.iter().enumerate().map(|(layer, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        (format!("layers.{layer}"), view)
    });
    serialize_to_file(views, None, path).unwrap();
    if durable {
        File::open(path).unwrap().sync_data().unwrap();
    }
}

fn apply(matrices: &mut [Vec<u8>], batch: &[Updates]) {
    for (bytes, updates) in matrices.iter_mut().zip(batch) {
        for (row, col, value) in updates {
            let at = 4 * (*row as usize * COLS + *col as usize);
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
}

fn random_hits(c: &mut Criterion, path: &Path, workload: &Workload) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<&[u8]> = (0..workload.matrices.len())
        .map(|layer| file.tensor(&format!("layers.{layer}")).unwrap().data())
        .collect();
    let mut picks = workload.picks.iter().cycle();
    c.benchmark_group("random_hit").bench_function(NAME, |b| {
        b.iter(|| {
            let (matrix, row, col) = picks.next().unwrap();
            let at = 4 * (row * COLS + col);
            f32::from_le_bytes(tensors[*matrix][at..at + 4].try_into().unwrap())
        });
    });
}

fn scan(c: &mut Criterion, path: &Path, workload: &Workload) {
    write(path, &[bytes_of(&workload.dense)], [DENSE_SIDE, DENSE_SIDE], false);
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("layers.0").unwrap();
    let mut found = vec![0u8; tensor.data().len()];
    c.benchmark_group("scan_64x64").bench_function(NAME, |b| {
        b.iter(|| black_box(&mut found).copy_from_slice(tensor.data()));
    });
}
