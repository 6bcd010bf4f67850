//! A plain map that does what the store should do, and sequences of operations to run on both.

pub mod disk;

use std::collections::BTreeMap;

use hyprstream_storage::{
    Compression, DataType, DifferenceKind, GridStore, MatrixPath, Shape, Snapshot, UpdateBatch,
    WriteTransaction,
};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
pub struct ModelMatrix {
    pub shape: (usize, usize),
    pub dtype: DataType,
    pub bits: Vec<u32>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelVersion {
    pub published: bool,
    pub matrices: BTreeMap<(u32, String, String), ModelMatrix>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub versions: BTreeMap<(String, String), ModelVersion>,
    pub tags: BTreeMap<(String, String), String>,
    pub metadata: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Clone, Debug)]
pub enum Op {
    Put {
        version: u8,
        matrix: u8,
        shape: u8,
        dtype: u8,
        density: u8,
        seed: u64,
    },
    Remove {
        version: u8,
        matrix: u8,
    },
    Update {
        version: u8,
        matrix: u8,
        count: u16,
        seed: u64,
    },
    Publish {
        version: u8,
    },
    Branch {
        from: u8,
        to: u8,
    },
    Drop {
        version: u8,
    },
    Tag {
        version: u8,
        tag: u8,
    },
    PutMetadata {
        key: u8,
        len: u32,
        seed: u64,
    },
    RemoveMetadata {
        key: u8,
    },
    Perturb {
        version: u8,
        matrix: u8,
        seed: u64,
    },
    Recode {
        version: u8,
        how: u8,
    },
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6u8, 0..5u8, 0..9u8, 0..3u8, 0..6u8, any::<u64>())
            .prop_map(|(version, matrix, shape, dtype, density, seed)| Op::Put { version, matrix, shape, dtype, density, seed }),
        1 => (0..6u8, 0..5u8).prop_map(|(version, matrix)| Op::Remove { version, matrix }),
        4 => (0..6u8, 0..5u8, 1..400u16, any::<u64>())
            .prop_map(|(version, matrix, count, seed)| Op::Update { version, matrix, count, seed }),
        1 => (0..6u8).prop_map(|version| Op::Publish { version }),
        3 => (0..6u8, 0..6u8).prop_map(|(from, to)| Op::Branch { from, to }),
        2 => (0..6u8).prop_map(|version| Op::Drop { version }),
        1 => (0..6u8, 0..3u8).prop_map(|(version, tag)| Op::Tag { version, tag }),
        2 => (0..8u8, prop_oneof![0..600u32, 600..700_000u32], any::<u64>())
            .prop_map(|(key, len, seed)| Op::PutMetadata { key, len, seed }),
        1 => (0..8u8).prop_map(|key| Op::RemoveMetadata { key }),
        4 => (0..6u8, 0..5u8, any::<u64>()).prop_map(|(version, matrix, seed)| Op::Perturb { version, matrix, seed }),
        2 => (0..6u8, 0..3u8).prop_map(|(version, how)| Op::Recode { version, how }),
    ]
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

pub const SHAPES: [(usize, usize); 9] = [
    (1, 1),
    (16, 2048),
    (300, 16),
    (100, 100),
    (7, 5000),
    (513, 130),
    (64, 64),
    (4096, 1),
    (300, 300),
];
pub const DTYPES: [DataType; 3] = [DataType::F32, DataType::F16, DataType::Bf16];

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

pub fn to_bits(dtype: DataType, value: f32) -> u32 {
    match dtype {
        DataType::F32 => value.to_bits(),
        DataType::F16 => u32::from(half::f16::from_f32(value).to_bits()),
        DataType::Bf16 => u32::from(half::bf16::from_f32(value).to_bits()),
        DataType::Int8 => unreachable!("the model has no int8"),
    }
}

pub fn to_value(dtype: DataType, bits: u32) -> f32 {
    match dtype {
        DataType::F32 => f32::from_bits(bits),
        DataType::F16 => half::f16::from_bits(bits as u16).to_f32(),
        DataType::Bf16 => half::bf16::from_bits(bits as u16).to_f32(),
        DataType::Int8 => unreachable!("the model has no int8"),
    }
}

pub fn make_values(shape: (usize, usize), density: u8, seed: u64) -> Vec<f32> {
    let mut rng = Rng(seed);
    let n = shape.0 * shape.1;
    match density {
        0 => (0..n).map(|_| rng.value()).collect(),
        1 => (0..n)
            .map(|_| if rng.below(100) == 0 { rng.value() } else { 0.0 })
            .collect(),
        2 => (0..n)
            .map(|_| if rng.below(5) == 0 { rng.value() } else { 0.0 })
            .collect(),
        3 => (0..n)
            .map(|i| if i / 700 % 3 == 1 { rng.value() } else { 0.0 })
            .collect(),
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

impl Model {
    pub fn matrix(&self, version: u8, matrix: u8) -> Option<&ModelMatrix> {
        let path = matrix_path(version, matrix);
        self.versions
            .get(&version_name(version))?
            .matrices
            .get(&(path.layer, path.module, path.matrix))
    }

    pub fn is_draft(&self, version: u8) -> bool {
        self.versions
            .get(&version_name(version))
            .is_some_and(|v| !v.published)
    }

    pub fn edit(&mut self, version: u8, matrix: u8, edits: &[(u32, u32, u64, f32)]) {
        let path = matrix_path(version, matrix);
        let version = self.versions.get_mut(&version_name(version)).unwrap();
        let m = version
            .matrices
            .get_mut(&(path.layer, path.module, path.matrix))
            .unwrap();
        for &(row, col, kind, value) in edits {
            let slot = &mut m.bits[row as usize * m.shape.1 + col as usize];
            *slot = match kind {
                0 => to_bits(m.dtype, value),
                1 => to_bits(m.dtype, to_value(m.dtype, *slot) + value),
                _ => 0,
            };
        }
    }

    /// Applies an operation to the model and to a write; operations that make no sense now do nothing to either.
    pub fn apply(&mut self, op: &Op, write: &mut WriteTransaction<'_>) -> hyprstream_storage::Result<()> {
        match *op {
            Op::Put {
                version,
                matrix,
                shape,
                dtype,
                density,
                seed,
            } => {
                let name = version_name(version);
                if self.versions.get(&name).is_some_and(|v| v.published) {
                    return Ok(());
                }
                let (path, shape, dtype) = (
                    matrix_path(version, matrix),
                    SHAPES[usize::from(shape)],
                    DTYPES[usize::from(dtype)],
                );
                let values = make_values(shape, density, seed);
                write.put_matrix(&path, Shape::new(shape.0, shape.1), dtype, &values)?;
                let bits = values.iter().map(|v| to_bits(dtype, *v)).collect();
                let key = (path.layer, path.module, path.matrix);
                self.versions
                    .entry(name)
                    .or_default()
                    .matrices
                    .insert(key, ModelMatrix { shape, dtype, bits });
            }
            Op::Remove { version, matrix } => {
                if !self.is_draft(version) {
                    return Ok(());
                }
                let path = matrix_path(version, matrix);
                let removed = write.remove_matrix(&path)?;
                let version = self.versions.get_mut(&version_name(version)).unwrap();
                assert_eq!(
                    removed,
                    version
                        .matrices
                        .remove(&(path.layer, path.module, path.matrix))
                        .is_some()
                );
            }
            Op::Update {
                version,
                matrix,
                count,
                seed,
            } => {
                if !self.is_draft(version) {
                    return Ok(());
                }
                let Some(m) = self.matrix(version, matrix) else {
                    return Ok(());
                };
                let edits = edits(m.shape, count, seed);
                write.apply(&batch_of(&matrix_path(version, matrix), &edits))?;
                self.edit(version, matrix, &edits);
            }
            Op::Publish { version } => {
                let name = version_name(version);
                if let Some(v) = self.versions.get_mut(&name) {
                    write.publish_version(&name.0, &name.1)?;
                    v.published = true;
                }
            }
            Op::Branch { from, to } => {
                let (from, to) = (version_name(from), version_name(to));
                if !self.versions.contains_key(&from) || self.versions.contains_key(&to) {
                    return Ok(());
                }
                write.branch_version((&from.0, &from.1), (&to.0, &to.1))?;
                let mut copy = self.versions[&from].clone();
                copy.published = false;
                self.versions.insert(to, copy);
            }
            Op::Drop { version } => {
                let name = version_name(version);
                let dropped = write.drop_version(&name.0, &name.1)?;
                assert_eq!(dropped, self.versions.remove(&name).is_some());
                self.tags
                    .retain(|(adapter, _), target| *adapter != name.0 || *target != name.1);
            }
            Op::Tag { version, tag } => {
                let name = version_name(version);
                if self.versions.contains_key(&name) {
                    write.tag_version(&name.0, &name.1, &format!("tag{tag}"))?;
                    self.tags.insert((name.0, format!("tag{tag}")), name.1);
                }
            }
            Op::PutMetadata { key, len, seed } => {
                let (key, value) = (vec![b'k', key], blob(len, seed));
                write.put_metadata(&key, &value)?;
                self.metadata.insert(key, value);
            }
            Op::Perturb {
                version,
                matrix,
                seed,
            } => {
                if !self.is_draft(version) {
                    return Ok(());
                }
                let Some(m) = self.matrix(version, matrix).cloned() else {
                    return Ok(());
                };
                let count = (m.bits.len() / 100).clamp(1, 300) as u16;
                let edits: Vec<_> = edits(m.shape, count, seed)
                    .into_iter()
                    .map(|(row, col, _, value)| (row, col, 0, value))
                    .collect();
                self.edit(version, matrix, &edits);
                let now = self.matrix(version, matrix).unwrap();
                let values: Vec<f32> = now.bits.iter().map(|bits| to_value(now.dtype, *bits)).collect();
                let shape = Shape::new(now.shape.0, now.shape.1);
                write.put_matrix(&matrix_path(version, matrix), shape, now.dtype, &values)?;
            }
            Op::Recode { version, how } => {
                let name = version_name(version);
                if self.versions.contains_key(&name) {
                    match how {
                        0 => write.freeze_version(&name.0, &name.1, Compression::Zstd(1))?,
                        1 => write.freeze_version(&name.0, &name.1, Compression::Lz4)?,
                        _ => write.thaw_version(&name.0, &name.1)?,
                    };
                }
            }
            Op::RemoveMetadata { key } => {
                let key = vec![b'k', key];
                assert_eq!(write.remove_metadata(&key)?, self.metadata.remove(&key).is_some());
            }
        }
        Ok(())
    }

    /// Reads a snapshot back into a model.
    pub fn read(snapshot: &Snapshot) -> hyprstream_storage::Result<Self> {
        let mut model = Self::default();
        for adapter in snapshot.adapters()? {
            for info in snapshot.versions(&adapter)? {
                let mut version = ModelVersion {
                    published: info.published,
                    ..ModelVersion::default()
                };
                for matrix in snapshot.matrices(&adapter, &info.version)? {
                    let shape = (matrix.shape.rows, matrix.shape.cols);
                    let mut values = vec![7.0; shape.0 * shape.1];
                    snapshot.read_matrix(&matrix.path, &mut values)?;
                    let bits: Vec<u32> = values.iter().map(|v| to_bits(matrix.dtype, *v)).collect();
                    assert_eq!(
                        matrix.active,
                        bits.iter().filter(|b| **b != 0).count() as u64,
                        "{}",
                        matrix.path
                    );
                    let key = (matrix.path.layer, matrix.path.module, matrix.path.matrix);
                    version.matrices.insert(
                        key,
                        ModelMatrix {
                            shape,
                            dtype: matrix.dtype,
                            bits,
                        },
                    );
                }
                for tag in &info.tags {
                    model
                        .tags
                        .insert((adapter.clone(), tag.clone()), info.version.clone());
                }
                model.versions.insert((adapter.clone(), info.version), version);
            }
        }
        model.metadata = snapshot.scan_metadata(b"")?.into_iter().collect();
        Ok(model)
    }

    /// Panics with the first difference.
    pub fn assert_same(&self, other: &Self) {
        assert_eq!(self.tags, other.tags);
        assert_eq!(
            self.metadata.keys().collect::<Vec<_>>(),
            other.metadata.keys().collect::<Vec<_>>()
        );
        assert!(self.metadata == other.metadata, "metadata differ");
        assert_eq!(
            self.versions.keys().collect::<Vec<_>>(),
            other.versions.keys().collect::<Vec<_>>()
        );
        for (name, version) in &self.versions {
            let theirs = &other.versions[name];
            assert_eq!(version.published, theirs.published, "{name:?}");
            assert_eq!(
                version.matrices.keys().collect::<Vec<_>>(),
                theirs.matrices.keys().collect::<Vec<_>>(),
                "{name:?}"
            );
            for (key, matrix) in &version.matrices {
                let their_matrix = &theirs.matrices[key];
                assert_eq!(
                    (matrix.shape, matrix.dtype),
                    (their_matrix.shape, their_matrix.dtype)
                );
                let difference = matrix
                    .bits
                    .iter()
                    .zip(&their_matrix.bits)
                    .position(|(a, b)| a != b);
                assert_eq!(difference, None, "{name:?} {key:?} of {:?}", matrix.shape);
            }
        }
    }
}

/// Panics when the store is not as healthy as a store without damage must be.
pub fn assert_sound(store: &GridStore) {
    let report = store.verify().expect("verify reads the store");
    assert_eq!(report.damages, [], "damage in an undamaged store");
    assert_eq!(report.leaked_bytes, 0, "space leaked");
}

/// What `diff` should find between two versions: changed elements by matrix, added and removed matrices.
pub fn assert_diff(model: &Model, snapshot: &Snapshot, from: u8, to: u8) {
    let (a, b) = (version_name(from), version_name(to));
    let (Some(before), Some(after)) = (model.versions.get(&a), model.versions.get(&b)) else {
        return;
    };
    let (a, b) = ((a.0.as_str(), a.1.as_str()), (b.0.as_str(), b.1.as_str()));
    let found = snapshot.diff(a, b).unwrap();
    for difference in &found {
        let key = (
            difference.layer,
            difference.module.clone(),
            difference.matrix.clone(),
        );
        let kind = match (before.matrices.get(&key), after.matrices.get(&key)) {
            (Some(x), Some(y)) if (x.shape, x.dtype) != (y.shape, y.dtype) => DifferenceKind::Reshaped,
            (Some(_), Some(_)) => DifferenceKind::Changed,
            (Some(_), None) => DifferenceKind::Removed,
            _ => DifferenceKind::Added,
        };
        assert_eq!(difference.kind, kind, "{key:?}");
    }
    for key in before.matrices.keys().chain(after.matrices.keys()) {
        let (x, y) = (before.matrices.get(key), after.matrices.get(key));
        let difference = found
            .iter()
            .find(|d| (d.layer, &d.module, &d.matrix) == (key.0, &key.1, &key.2));
        if x == y {
            // Stored differently is no difference of values.
            if let Some(difference) = difference {
                let mut visit = |_, _, _, _| panic!("equal matrices have differing elements");
                snapshot
                    .for_each_difference(a, b, difference, &mut visit)
                    .unwrap();
            }
            continue;
        }
        let difference = difference.unwrap_or_else(|| panic!("{key:?} differs and was not found"));
        let (Some(x), Some(y), DifferenceKind::Changed) = (x, y, difference.kind) else {
            continue;
        };
        let mut elements = BTreeMap::new();
        let mut visit = |row: usize, col: usize, was: f32, is: f32| {
            elements.insert(
                row * x.shape.1 + col,
                (to_bits(x.dtype, was), to_bits(x.dtype, is)),
            );
            Ok(())
        };
        snapshot
            .for_each_difference(a, b, difference, &mut visit)
            .unwrap();
        let pairs = x
            .bits
            .iter()
            .zip(&y.bits)
            .enumerate()
            .filter(|(_, (p, q))| p != q);
        let expected: BTreeMap<_, _> = pairs.map(|(at, (p, q))| (at, (*p, *q))).collect();
        assert!(
            elements == expected,
            "{key:?}: {} elements differ, not {}",
            expected.len(),
            elements.len()
        );
    }
}
