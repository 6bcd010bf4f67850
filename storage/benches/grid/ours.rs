//! The store's own numbers.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::Criterion;
use hyprstream_storage::{
    Compression, DataType, Durability, GridOptions, GridStore, MatrixPath, Shape, UpdateBatch, VersionPath,
};

use crate::table::{OURS, Table};
use crate::workload::{CHECKPOINT_SHAPE, COLS, DENSE_SIDE, ROWS, Rng, Updates, Workload, sparse};

/// The variable that names the store to a process that only opens it.
const OPENED: &str = "HYPRSTREAM_OPENED_STORE";

pub fn bench(c: &mut Criterion, directory: &Path, workload: &Workload, table: &mut Table) {
    let store = GridStore::open(&directory.join("grid"), &GridOptions::default()).unwrap();
    fill(&store, workload, "1", DataType::F32);
    random_hits(c, &store, workload);
    for (count, batches) in [(1000, &workload.small_batches), (84_000, &workload.large_batches)] {
        for (what, durability) in [("visible", Durability::None), ("durable", Durability::Immediate)] {
            store.sync().unwrap();
            updates(c, &format!("update_{count}_{what}"), &store, batches, durability);
        }
    }
    store.sync().unwrap();
    versions(c, &store);
    scans(c, &store, workload);
    bytes_per_value(&store, workload, table);
    opening_memory(&directory.join("few"), 10, "open_10_memory", table);
    opening_memory(&directory.join("many"), 1000, "open_1000_memory", table);
    opening(c, &directory.join("many"));
    checkpoints(&directory.join("checkpoints"), workload, table);
}

fn path(adapter: &str, version: &str, layer: u32) -> MatrixPath {
    MatrixPath::new(adapter, version, layer, "q_proj", "A")
}

fn fill(store: &GridStore, workload: &Workload, version: &str, dtype: DataType) {
    let mut write = store.begin_write().unwrap();
    for (layer, values) in (0..).zip(&workload.matrices) {
        write.put_matrix(&path("sparse", version, layer), Shape::new(ROWS, COLS), dtype, values).unwrap();
    }
    write.commit(Durability::Immediate).unwrap();
}

/// Times [`GridStore::update`], the path through the write-ahead log, which the product does not call yet.
fn updates(c: &mut Criterion, id: &str, store: &GridStore, batches: &[Vec<Updates>], durability: Durability) {
    let batches: Vec<UpdateBatch> = batches
        .iter()
        .map(|by_matrix| {
            let mut batch = UpdateBatch::new();
            for (layer, elements) in (0..).zip(by_matrix) {
                batch.set(&path("sparse", "1", layer), elements);
            }
            batch
        })
        .collect();
    let mut next = batches.iter().cycle();
    let probe = path("sparse", "1", 0);
    c.benchmark_group(id).bench_function(OURS, |b| {
        b.iter(|| {
            store.update(next.next().unwrap(), durability).unwrap();
            let snapshot = store.snapshot();
            let matrix = snapshot.matrix(&probe).unwrap().unwrap();
            black_box(matrix.get(0, 0).unwrap())
        });
    });
}

fn random_hits(c: &mut Criterion, store: &GridStore, workload: &Workload) {
    let snapshot = store.snapshot();
    let matrices: Vec<_> = (0..)
        .zip(&workload.matrices)
        .map(|(layer, _)| snapshot.matrix(&path("sparse", "1", layer)).unwrap().unwrap())
        .collect();
    for &(matrix, row, col) in &workload.picks {
        assert!(matrices[matrix].get(row, col).unwrap() == workload.matrices[matrix][row * COLS + col]);
    }
    let mut picks = workload.picks.iter().cycle();
    c.benchmark_group("random_hit").bench_function(OURS, |b| {
        b.iter(|| {
            let (matrix, row, col) = picks.next().unwrap();
            matrices[*matrix].get(*row, *col).unwrap()
        });
    });
}

fn versions(c: &mut Criterion, store: &GridStore) {
    c.benchmark_group("snapshot").bench_function(OURS, |b| b.iter(|| store.snapshot()));
    let drop_version = |adapter: &str, version: &str| {
        let mut write = store.begin_write().unwrap();
        assert!(write.drop_version(adapter, version).unwrap());
        write.commit(Durability::None).unwrap();
    };
    c.benchmark_group("branch").bench_function(OURS, |b| {
        b.iter_custom(|count| {
            let timed = |_| {
                let start = Instant::now();
                let mut write = store.begin_write().unwrap();
                write
                    .branch_version(VersionPath::new("sparse", "1"), VersionPath::new("branch", "1"))
                    .unwrap();
                write.commit(Durability::None).unwrap();
                let elapsed = start.elapsed();
                drop_version("branch", "1");
                elapsed
            };
            (0..count).map(timed).sum::<Duration>()
        });
    });
    c.benchmark_group("restore").bench_function(OURS, |b| {
        b.iter_custom(|count| {
            let timed = |_| {
                let start = Instant::now();
                let mut write = store.begin_write().unwrap();
                let restored = write.next_version_number("sparse").unwrap().to_string();
                write
                    .branch_version(VersionPath::new("sparse", "1"), VersionPath::new("sparse", &restored))
                    .unwrap();
                write.publish_version("sparse", &restored).unwrap();
                write.commit(Durability::None).unwrap();
                let elapsed = start.elapsed();
                drop_version("sparse", &restored);
                elapsed
            };
            (0..count).map(timed).sum::<Duration>()
        });
    });
}

fn scans(c: &mut Criterion, store: &GridStore, workload: &Workload) {
    let elements = DENSE_SIDE * DENSE_SIDE;
    let shapes = [
        ("scan_64x64", Shape::new(DENSE_SIDE, DENSE_SIDE)),
        ("scan_rows", Shape::new(elements / COLS, COLS)),
    ];
    let mut write = store.begin_write().unwrap();
    for (id, shape) in shapes {
        write.put_matrix(&path("dense", id, 0), shape, DataType::F32, &workload.dense).unwrap();
    }
    write.commit(Durability::Eventual).unwrap();
    let snapshot = store.snapshot();
    let mut found = vec![0.0f32; elements];
    for (id, _) in shapes {
        let matrix = snapshot.matrix(&path("dense", id, 0)).unwrap().unwrap();
        c.benchmark_group(id).bench_function(OURS, |b| {
            b.iter(|| matrix.read_into(black_box(&mut found)).unwrap());
        });
        matrix.read_into(&mut found).unwrap();
        assert!(found == workload.dense);
    }
}

fn bytes_per_value(store: &GridStore, workload: &Workload, table: &mut Table) {
    for (dtype, hot, cold) in
        [(DataType::F32, "bytes_f32", "bytes_f32_cold"), (DataType::F16, "bytes_f16", "bytes_f16_cold")]
    {
        fill(store, workload, hot, dtype);
        let active = workload.active() as u64;
        let per_value = |table: &mut Table, row| {
            let found = store.version_statistics("sparse", hot).unwrap();
            assert_eq!(found.active, active);
            table.set(row, OURS, found.bytes as f64 / found.active as f64);
        };
        per_value(table, hot);
        let mut write = store.begin_write().unwrap();
        write.freeze_version("sparse", hot, Compression::Zstd(3)).unwrap();
        write.commit(Durability::Immediate).unwrap();
        per_value(table, cold);
    }
}

fn adapters(directory: &Path, count: u32) {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let mut rng = Rng::new();
    let mut write = store.begin_write().unwrap();
    for adapter in 0..count {
        let values = sparse(&mut rng, 16 * 512);
        for layer in 0..4 {
            let path = path(&format!("adapter{adapter}"), "1", layer);
            write.put_matrix(&path, Shape::new(16, 512), DataType::F32, &values).unwrap();
        }
    }
    write.commit(Durability::Immediate).unwrap();
    store.close().unwrap();
}

/// What a new process holds more of while a store of so many adapters is open.
fn opening_memory(directory: &Path, count: u32, row: &'static str, table: &mut Table) {
    adapters(directory, count);
    let output = Command::new(std::env::current_exe().unwrap()).env(OPENED, directory).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    table.set(row, OURS, printed.trim().parse().unwrap());
}

/// In the process that [`opening_memory`] starts: opens its store, prints what it holds more of then, and says so.
pub fn opens_a_store() -> bool {
    let Some(directory) = std::env::var_os(OPENED) else {
        return false;
    };
    let before = anonymous_bytes();
    let store = GridStore::open(Path::new(&directory), &GridOptions::default()).unwrap();
    println!("{}", anonymous_bytes() - before);
    drop(store);
    true
}

/// The process's memory that no file backs.
fn anonymous_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes: f64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024.0
}

fn opening(c: &mut Criterion, directory: &Path) {
    c.benchmark_group("open_1000").bench_function(OURS, |b| {
        b.iter(|| drop(GridStore::open(directory, &GridOptions::default()).unwrap()));
    });
}

fn checkpoints(directory: &Path, workload: &Workload, table: &mut Table) {
    let store = GridStore::open(directory, &GridOptions::default()).unwrap();
    let shape = Shape::new(CHECKPOINT_SHAPE.0, CHECKPOINT_SHAPE.1);
    let mut one = 0;
    for (number, values) in workload.checkpoints.iter().enumerate() {
        let (before, version) = (number.to_string(), (number + 1).to_string());
        let mut write = store.begin_write().unwrap();
        if number > 0 {
            write
                .branch_version(VersionPath::new("support", &before), VersionPath::new("support", &version))
                .unwrap();
        }
        write.put_matrix(&path("support", &version, 0), shape, DataType::F32, values).unwrap();
        write.publish_version("support", &version).unwrap();
        write.commit(Durability::Eventual).unwrap();
        if number == 0 {
            one = store.version_statistics("support", "1").unwrap().bytes;
        }
    }
    let all = store.statistics().unwrap().used_bytes;
    table.set("checkpoints", OURS, all as f64 / one as f64);
}
