//! Positions and values of all matrices in one zstd file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use criterion::Criterion;

use crate::packed::{merge, pack};
use crate::table::Table;
use crate::workload::{Updates, Workload};

const NAME: &str = "COO + zstd";
const LEVEL: i32 = 3;

pub fn bench(c: &mut Criterion, directory: &Path, workload: &Workload, table: &mut Table) {
    let path = directory.join("matrices.coo.zst");
    let blobs: Vec<Vec<u8>> = workload.matrices.iter().map(|values| pack(values)).collect();
    write(&path, &blobs, false);
    let active = workload.active() as f64;
    table.set("bytes_f32", NAME, blobs.concat().len() as f64 / active);
    table.set("bytes_f32_cold", NAME, std::fs::metadata(&path).unwrap().len() as f64 / active);
    for (count, batches) in [(1000, &workload.small_batches), (84_000, &workload.large_batches)] {
        for (what, durable) in [("visible", false), ("durable", true)] {
            let mut next = batches.iter().cycle();
            c.benchmark_group(format!("update_{count}_{what}")).bench_function(NAME, |b| {
                b.iter(|| update(&path, next.next().unwrap(), durable));
            });
        }
    }
}

fn write(path: &Path, blobs: &[Vec<u8>], durable: bool) {
    let packed = zstd::bulk::compress(&blobs.concat(), LEVEL).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(&packed).unwrap();
    if durable {
        file.sync_data().unwrap();
    }
}

fn update(path: &Path, batch: &[Updates], durable: bool) {
    let all = zstd::stream::decode_all(File::open(path).unwrap()).unwrap();
    let mut rest = all.as_slice();
    let mut blobs = Vec::with_capacity(batch.len());
    for updates in batch {
        let count = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let (blob, others) = rest.split_at(4 + 8 * count);
        rest = others;
        blobs.push(merge(blob, updates));
    }
    write(path, &blobs, durable);
}
