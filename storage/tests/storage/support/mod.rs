//! A plain map that does what the store should do, and sequences of operations to run on both.

mod apply;
pub mod diff;
pub mod disk;
pub mod image;
pub mod ledger;
mod model;
mod numbers;
mod ops;
pub mod random;
pub mod reads;

pub use model::Model;
pub use numbers::{from_bits, to_bits};
pub use ops::{Op, op};

use hyprstream_storage::{DataType, GridStore, MatrixPath, UpdateBatch};

/// How many times a heavy test does its work: what the variable says, else `default`.
pub fn count(variable: &str, default: u64) -> u64 {
    let wanted = std::env::var(variable).ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(default)
}

pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn value(&mut self) -> f32 {
        match self.below(50) {
            0 => -0.0,
            1 => f32::INFINITY,
            2 => f32::MIN_POSITIVE / 4.0,
            _ => (self.below(2001) as f32 - 1000.0) / 25_000.0,
        }
    }
}

pub const SHAPES: [(usize, usize); 9] =
    [(1, 1), (16, 2048), (300, 16), (100, 100), (7, 5000), (513, 130), (64, 64), (4096, 1), (300, 300)];
pub const DTYPES: [DataType; 2] = [DataType::F32, DataType::F16];

pub fn version_name(version: u8) -> (String, String) {
    let adapter = if version < 4 { "support" } else { "sales" };
    (adapter.to_owned(), (version + 1).to_string())
}

pub fn matrix_path(version: u8, matrix: u8) -> MatrixPath {
    let (adapter, version) = version_name(version);
    let modules = ["q_proj", "v_proj"];
    let matrices = ["A", "B"];
    MatrixPath::new(
        adapter,
        version,
        u32::from(matrix / 3),
        modules[usize::from(matrix % 2)],
        matrices[usize::from(matrix / 2 % 2)],
    )
}

pub fn make_values(shape: (usize, usize), density: u8, seed: u64) -> Vec<f32> {
    let mut rng = Rng(seed);
    let n = shape.0 * shape.1;
    match density {
        0 => (0..n).map(|_| rng.value()).collect(),
        1 => (0..n).map(|_| if rng.below(100) == 0 { rng.value() } else { 0.0 }).collect(),
        2 => (0..n).map(|_| if rng.below(5) == 0 { rng.value() } else { 0.0 }).collect(),
        3 => (0..n).map(|i| if i / 700 % 3 == 1 { rng.value() } else { 0.0 }).collect(),
        4 => vec![0.0; n],
        _ => (0..n).map(|i| if i == n / 2 { 1.5 } else { 0.0 }).collect(),
    }
}

pub fn blob(len: u32, seed: u64) -> Vec<u8> {
    let mut rng = Rng(seed);
    (0..len).map(|_| rng.next() as u8).collect()
}

/// The edits of an update: (row, col, kind, value).
pub fn edits(shape: (usize, usize), count: u16, seed: u64) -> Vec<(u32, u32, u64, f32)> {
    let mut rng = Rng(seed);
    (0..count)
        .map(|_| {
            let (row, col) = (rng.below(shape.0 as u64) as u32, rng.below(shape.1 as u64) as u32);
            (row, col, rng.below(3), rng.value())
        })
        .collect()
}

pub fn batch_of(path: &MatrixPath, edits: &[(u32, u32, u64, f32)]) -> UpdateBatch {
    let mut batch = UpdateBatch::new();
    for &(row, col, kind, value) in edits {
        match kind {
            0 => batch.set(path, &[(row, col, value)]),
            1 => batch.add(path, &[(row, col, value)]),
            _ => batch.clear(path, &[(row, col)]),
        };
    }
    batch
}

/// Panics when the store is not as healthy as a store without damage must be.
pub fn assert_sound(store: &GridStore) {
    let report = store.verify().expect("verify reads the store");
    assert_eq!(report.damages, [], "damage in an undamaged store");
    assert_eq!(report.leaked_bytes, 0, "space leaked");
}
