//! The store's numbers, as medians, with what the machine itself does printed beside them.
//!
//! `cargo bench -p hyprstream-storage` prints one table. The workload is 256 matrices of 2048 × 16 of which 1 % of the
//! elements is active (84 k values), unless a line says otherwise.
#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "what panics here is a finding"
)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "what panics here is a finding"
)]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use hyprstream_storage::{
    Catalog, Compression, DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch,
};

const ROWS: usize = 2048;
const COLS: usize = 16;
const MATRICES: u32 = 256;

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn line(name: &str, value: &str, target: &str) {
    println!("| {name} | {value} | {target} |");
}

/// Median of `count` timed runs, in microseconds.
fn median_us(count: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn path(adapter: &str, version: &str, layer: u32) -> MatrixPath {
    MatrixPath::new(adapter, version, layer, "q_proj", "A")
}

fn sparse(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len)
        .map(|_| {
            if rng.below(100) == 0 {
                (rng.below(4001) as f32 - 2000.0) / 1e5
            } else {
                0.0
            }
        })
        .collect()
}

fn machine(directory: &Path) -> f64 {
    let source = vec![1u8; 64 << 20];
    let mut target = vec![0u8; 64 << 20];
    let us = median_us(9, || target.copy_from_slice(black_box(&source)));
    let memcpy = (64 << 20) as f64 / us / 1e3;
    line("memcpy, 64 MiB", &format!("{memcpy:.1} GB/s"), "the machine");
    let file = File::create(directory.join("sync")).unwrap();
    let us = median_us(21, || {
        file.write_all_at(&[1; 4096], 0).unwrap();
        file.sync_data().unwrap();
    });
    line(
        "write of 4 KiB and fdatasync",
        &format!("{:.2} ms", us / 1e3),
        "the machine",
    );
    memcpy
}

fn updates(store: &GridStore, rng: &mut Rng, count: usize, durability: Durability) -> f64 {
    let batches: Vec<UpdateBatch> = (0..15)
        .map(|n| {
            let mut elements = vec![Vec::new(); MATRICES as usize];
            for _ in 0..count {
                let place = (rng.below(ROWS as u64) as u32, rng.below(COLS as u64) as u32);
                elements[rng.below(u64::from(MATRICES)) as usize].push((place.0, place.1, n as f32 + 1.0));
            }
            let mut batch = UpdateBatch::new();
            for (layer, elements) in (0..).zip(&elements) {
                batch.set(&path("sparse", "1", layer), elements);
            }
            batch
        })
        .collect();
    let mut batches = batches.iter();
    median_us(15, || {
        store.update(batches.next().unwrap(), durability).unwrap();
        let snapshot = store.snapshot();
        black_box(
            snapshot
                .matrix(&path("sparse", "1", 0))
                .unwrap()
                .unwrap()
                .get(0, 0)
                .unwrap(),
        );
    })
}

fn fill(store: &GridStore, rng: &mut Rng, version: &str, dtype: DataType) -> Vec<Vec<f32>> {
    let mut write = store.begin_write().unwrap();
    let mut all = Vec::new();
    for layer in 0..MATRICES {
        let values = sparse(rng, ROWS * COLS);
        write
            .put_matrix(
                &path("sparse", version, layer),
                Shape::new(ROWS, COLS),
                dtype,
                &values,
            )
            .unwrap();
        all.push(values);
    }
    write.commit(Durability::Immediate).unwrap();
    all
}

fn random_hits(store: &GridStore, rng: &mut Rng, all: &[Vec<f32>]) {
    let snapshot = store.snapshot();
    let matrices: Vec<_> = (0..MATRICES)
        .map(|l| snapshot.matrix(&path("sparse", "1", l)).unwrap().unwrap())
        .collect();
    let active: Vec<(usize, usize, usize)> = all
        .iter()
        .enumerate()
        .flat_map(|(m, v)| {
            v.iter()
                .enumerate()
                .filter(|(_, x)| x.to_bits() != 0)
                .map(move |(at, _)| (m, at / COLS, at % COLS))
        })
        .collect();
    let picks: Vec<_> = (0..1 << 18)
        .map(|_| active[rng.below(active.len() as u64) as usize])
        .collect();
    let mut sum = 0.0;
    let mut run = || {
        for (m, row, col) in &picks {
            sum += matrices[*m].get(*row, *col).unwrap();
        }
    };
    run();
    let us = median_us(7, run);
    black_box(sum);
    line(
        "random hit in a sparse leaf",
        &format!("{:.0} ns", us * 1e3 / picks.len() as f64),
        "≤ 50 ns",
    );
}

fn scans(store: &GridStore, memcpy: f64) {
    let (rows, cols) = (4096, 4096);
    let values: Vec<f32> = (0..rows * cols).map(|n| n as f32 + 1.0).collect();
    let mut write = store.begin_write().unwrap();
    for (name, shape) in [
        ("64 x 64 leaves", Shape::new(rows, cols)),
        ("leaves of whole rows", Shape::new(rows * cols / 16, 16)),
    ] {
        write
            .put_matrix(&path("dense", name, 0), shape, DataType::F32, &values)
            .unwrap();
    }
    write.commit(Durability::Eventual).unwrap();
    let snapshot = store.snapshot();
    for name in ["64 x 64 leaves", "leaves of whole rows"] {
        let mut found = vec![0.0f32; rows * cols];
        let matrix = snapshot.matrix(&path("dense", name, 0)).unwrap().unwrap();
        let mut run = || matrix.read_into(&mut found).unwrap();
        run();
        let rate = (rows * cols * 4) as f64 / median_us(7, run) / 1e3;
        assert!(found == values);
        let text = format!("{rate:.1} GB/s, {:.2} of memcpy", rate / memcpy);
        line(&format!("decode of 64 MiB dense, {name}"), &text, "≥ 0.7");
    }
}

fn bytes_per_value(store: &GridStore, rng: &mut Rng) {
    for (dtype, version, target) in [(DataType::F32, "f32", "≤ 6.5"), (DataType::F16, "f16", "≤ 4.5")] {
        fill(store, rng, version, dtype);
        let hot = store.version_statistics("sparse", version).unwrap();
        let mut write = store.begin_write().unwrap();
        write
            .freeze_version("sparse", version, Compression::Zstd(3))
            .unwrap();
        write.commit(Durability::Immediate).unwrap();
        let cold = store.version_statistics("sparse", version).unwrap();
        let per = |bytes: u64| bytes as f64 / hot.active as f64;
        line(
            &format!("bytes an active value, {dtype:?}, hot"),
            &format!("{:.2}", per(hot.bytes)),
            target,
        );
        let cold_target = if dtype == DataType::F32 { "≤ 5.3" } else { "" };
        line(
            &format!("bytes an active value, {dtype:?}, cold"),
            &format!("{:.2}", per(cold.bytes)),
            cold_target,
        );
    }
}

fn opening(directory: &Path, rng: &mut Rng) {
    let place = directory.join("many");
    let store = GridStore::open(&place, &GridOptions::default()).unwrap();
    let mut write = store.begin_write().unwrap();
    for adapter in 0..1000 {
        let values = sparse(rng, 16 * 512);
        for layer in 0..4 {
            let path = path(&format!("adapter{adapter}"), "1", layer);
            write
                .put_matrix(&path, Shape::new(16, 512), DataType::F32, &values)
                .unwrap();
        }
    }
    write.commit(Durability::Immediate).unwrap();
    store.close().unwrap();
    let us = median_us(9, || {
        drop(black_box(
            GridStore::open(&place, &GridOptions::default()).unwrap(),
        ))
    });
    line(
        "opening a store of 1,000 adapters",
        &format!("{:.2} ms", us / 1e3),
        "≤ 10 ms",
    );
    let place = directory.join("catalog");
    let catalog = Catalog::open(&place).unwrap();
    for n in 0..1000u32 {
        catalog.put(&n.to_be_bytes(), &[1; 100]).unwrap();
    }
    catalog.flush().unwrap();
    drop(catalog);
    let us = median_us(5, || drop(black_box(Catalog::open(&place).unwrap())));
    line(
        "opening a sled of 1,000 records",
        &format!("{:.2} ms", us / 1e3),
        "beside it",
    );
}

fn versions(store: &GridStore) {
    let mut n = 0;
    let us = median_us(21, || {
        n += 1;
        let mut write = store.begin_write().unwrap();
        write
            .branch_version(("sparse", "1"), ("branch", &n.to_string()))
            .unwrap();
        write.commit(Durability::None).unwrap();
    });
    line("branch of an adapter", &format!("{:.3} ms", us / 1e3), "≤ 1 ms");
    let us = median_us(21, || {
        let mut write = store.begin_write().unwrap();
        write.restore_version("branch", "1").unwrap();
        write.commit(Durability::None).unwrap();
    });
    line("restore of a version", &format!("{:.3} ms", us / 1e3), "≤ 1 ms");
    let us = median_us(21, || drop(black_box(store.snapshot())));
    line("snapshot", &format!("{us:.2} µs"), "≤ 1 ms");
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let mut rng = Rng(88_172_645_463_325_252);
    println!("| | median | target |\n|---|---|---|");
    let memcpy = machine(directory.path());
    let store = GridStore::open(&directory.path().join("grid"), &GridOptions::default()).unwrap();
    let all = fill(&store, &mut rng, "1", DataType::F32);
    random_hits(&store, &mut rng, &all);
    for (count, visible, durable) in [(1000, "≤ 0.5 ms", "≤ 2 ms"), (84_000, "≤ 3 ms", "≤ 5 ms")] {
        for (durability, what, target) in [
            (Durability::None, "visible", visible),
            (Durability::Immediate, "durable", durable),
        ] {
            store.sync().unwrap();
            let us = updates(&store, &mut rng, count, durability);
            line(
                &format!("{count} scattered updates, {what}"),
                &format!("{:.2} ms", us / 1e3),
                target,
            );
        }
    }
    versions(&store);
    scans(&store, memcpy);
    bytes_per_value(&store, &mut rng);
    opening(directory.path(), &mut rng);
}
