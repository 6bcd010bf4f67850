//! Key–value stores that hold a blob a matrix.

use std::hint::black_box;

use criterion::Criterion;

use crate::packed::{get, merge, pack};
use crate::table::Table;
use crate::workload::{CHECKPOINTS, COLS, DENSE_SIDE, Updates, Workload};

/// A key–value store.
pub trait Blobs: Sized {
    /// Reads many keys in one transaction: calls `visit(key's index, blob)`.
    fn read(&self, keys: &[u32], visit: &mut dyn FnMut(usize, &[u8]));
    /// Writes blobs in one transaction.
    fn write(&self, blobs: &[(u32, Vec<u8>)], durable: bool);
    /// Calls `work` with a way to read one key, set up once.
    fn reader(&self, work: &mut dyn FnMut(&dyn Fn(u32, &mut dyn FnMut(&[u8]))));
    /// Bytes on disk, after everything is flushed.
    fn disk_bytes(&self) -> u64;
    /// Closes and opens it.
    fn reopen(self) -> Self;
}

pub fn bench<B: Blobs>(
    c: &mut Criterion,
    name: &'static str,
    create: &dyn Fn(&str) -> B,
    workload: &Workload,
    table: &mut Table,
) {
    let store = create("updates");
    let packed = (0..).zip(workload.matrices.iter().map(|values| pack(values)));
    store.write(&packed.collect::<Vec<_>>(), true);
    table.set("bytes_f32", name, store.disk_bytes() as f64 / workload.active() as f64);
    random_hits(c, name, &store, workload);
    for (count, batches) in [(1000, &workload.small_batches), (84_000, &workload.large_batches)] {
        for (what, durable) in [("visible", false), ("durable", true)] {
            let mut next = batches.iter().cycle();
            c.benchmark_group(format!("update_{count}_{what}")).bench_function(name, |b| {
                b.iter(|| update(&store, next.next().unwrap(), durable));
            });
        }
    }
    scan(c, name, &create("dense"), workload);
    open(c, name, create("many"));
    checkpoints(name, &create("checkpoints"), workload, table);
}

fn update<B: Blobs>(store: &B, batch: &[Updates], durable: bool) {
    let keys: Vec<u32> =
        (0..).zip(batch).filter(|(_, updates)| !updates.is_empty()).map(|(key, _)| key).collect();
    let mut merged = Vec::with_capacity(keys.len());
    store.read(&keys, &mut |index, blob| {
        merged.push((keys[index], merge(blob, &batch[keys[index] as usize])));
    });
    store.write(&merged, durable);
}

fn random_hits<B: Blobs>(c: &mut Criterion, name: &'static str, store: &B, workload: &Workload) {
    store.reader(&mut |read| {
        let hit = |(matrix, row, col): (usize, usize, usize)| {
            let mut found = 0.0;
            read(matrix as u32, &mut |blob| found = get(blob, (row * COLS + col) as u32));
            found
        };
        let (matrix, row, col) = workload.picks[0];
        assert!(hit(workload.picks[0]) == workload.matrices[matrix][row * COLS + col]);
        let mut picks = workload.picks.iter().cycle();
        c.benchmark_group("random_hit").bench_function(name, |b| b.iter(|| hit(*picks.next().unwrap())));
    });
}

fn scan<B: Blobs>(c: &mut Criterion, name: &'static str, store: &B, workload: &Workload) {
    // A blob a row of 64 x 4096 elements, as the store has chunks.
    let rows = workload.dense.chunks(64 * DENSE_SIDE);
    let blobs = rows.map(|row| row.iter().flat_map(|value| value.to_le_bytes()).collect());
    let blobs: Vec<(u32, Vec<u8>)> = (0..).zip(blobs).collect();
    store.write(&blobs, true);
    let keys: Vec<u32> = blobs.iter().map(|(key, _)| *key).collect();
    let mut found = vec![0u8; 4 * workload.dense.len()];
    c.benchmark_group("scan_rows").bench_function(name, |b| {
        b.iter(|| {
            store.read(&keys, &mut |index, blob| {
                found[index * blob.len()..(index + 1) * blob.len()].copy_from_slice(blob);
            });
            black_box(&mut found);
        });
    });
}

fn open<B: Blobs>(c: &mut Criterion, name: &'static str, store: B) {
    let blobs: Vec<(u32, Vec<u8>)> = (0..4000).map(|key| (key, vec![key as u8; 4 + 8 * 82])).collect();
    store.write(&blobs, true);
    let mut store = Some(store);
    c.benchmark_group("open_1000").bench_function(name, |b| {
        b.iter(|| store = store.take().map(B::reopen));
    });
}

fn checkpoints<B: Blobs>(name: &'static str, store: &B, workload: &Workload, table: &mut Table) {
    let mut one = 0;
    for (number, values) in (0..).zip(&workload.checkpoints) {
        let blob = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        one = blob.len();
        store.write(&[(number, blob)], number as usize + 1 == CHECKPOINTS);
    }
    table.set("checkpoints", name, store.disk_bytes() as f64 / one as f64);
}
