//! A plain map that does what the store should do.

use std::collections::BTreeMap;

use hyprstream_storage::{
    Compression, DataType, Durability, GridStore, MatrixPath, Shape, Snapshot, WriteTransaction,
};

use super::{
    DTYPES, Op, SHAPES, batch_of, blob, edits, from_bits, make_values, matrix_path, to_bits, version_name,
};

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

impl ModelMatrix {
    fn of(shape: (usize, usize), dtype: DataType, values: &[f32]) -> Self {
        let bits = values.iter().map(|value| to_bits(dtype, *value)).collect();
        Self { shape, dtype, bits }
    }

    pub fn values(&self) -> Vec<f32> {
        self.bits.iter().map(|bits| from_bits(self.dtype, *bits)).collect()
    }
}

impl Model {
    pub fn matrix(&self, version: u8, matrix: u8) -> Option<&ModelMatrix> {
        let path = matrix_path(version, matrix);
        self.versions.get(&version_name(version))?.matrices.get(&(path.layer, path.module, path.matrix))
    }

    pub fn is_draft(&self, version: u8) -> bool {
        self.versions.get(&version_name(version)).is_some_and(|v| !v.published)
    }

    pub fn edit(&mut self, version: u8, matrix: u8, edits: &[(u32, u32, u64, f32)]) {
        let path = matrix_path(version, matrix);
        let version = self.versions.get_mut(&version_name(version)).unwrap();
        let m = version.matrices.get_mut(&(path.layer, path.module, path.matrix)).unwrap();
        for &(row, col, kind, value) in edits {
            let slot = &mut m.bits[row as usize * m.shape.1 + col as usize];
            *slot = match kind {
                0 => to_bits(m.dtype, value),
                1 => to_bits(m.dtype, from_bits(m.dtype, *slot) + value),
                _ => 0,
            };
        }
    }

    fn insert(&mut self, version: (String, String), path: MatrixPath, matrix: ModelMatrix) {
        let key = (path.layer, path.module, path.matrix);
        let version = self.versions.entry(version).or_default();
        version.matrices.insert(key, matrix);
    }

    /// Applies an operation to the model and to a write; operations that make no sense now do nothing to either.
    pub fn apply(&mut self, op: &Op, write: &mut WriteTransaction<'_>) -> hyprstream_storage::Result<()> {
        match *op {
            Op::Put { version, matrix, shape, dtype, density, seed } => {
                let name = version_name(version);
                if self.versions.get(&name).is_some_and(|v| v.published) {
                    return Ok(());
                }
                let (path, shape, dtype) =
                    (matrix_path(version, matrix), SHAPES[usize::from(shape)], DTYPES[usize::from(dtype)]);
                let values = make_values(shape, density, seed);
                write.put_matrix(&path, Shape::new(shape.0, shape.1), dtype, &values)?;
                self.insert(name, path, ModelMatrix::of(shape, dtype, &values));
            }
            Op::PutEmpty { version, matrix, shape, dtype } => {
                let name = version_name(version);
                if self.versions.get(&name).is_some_and(|v| v.published) {
                    return Ok(());
                }
                let (path, shape) = (matrix_path(version, matrix), SHAPES[usize::from(shape)]);
                let dtype = DTYPES[usize::from(dtype)];
                write.put_empty_matrix(&path, Shape::new(shape.0, shape.1), dtype)?;
                self.insert(name, path, ModelMatrix::of(shape, dtype, &vec![0.0; shape.0 * shape.1]));
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
                    version.matrices.remove(&(path.layer, path.module, path.matrix)).is_some()
                );
            }
            Op::Update { version, matrix, count, seed } => {
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
                self.tags.retain(|(adapter, _), target| *adapter != name.0 || *target != name.1);
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
            Op::Perturb { version, matrix, seed } => {
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
                let (shape, dtype, values) = (now.shape, now.dtype, now.values());
                let path = matrix_path(version, matrix);
                write.put_matrix(&path, Shape::new(shape.0, shape.1), dtype, &values)?;
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

    /// Commits operations durably, on the model and on a store.
    pub fn commit(&mut self, ops: &[Op], store: &GridStore) {
        let mut write = store.begin_write().unwrap();
        for op in ops {
            self.apply(op, &mut write).unwrap();
        }
        write.commit(Durability::Immediate).unwrap();
    }

    /// Reads a snapshot back into a model.
    pub fn read(snapshot: &Snapshot) -> hyprstream_storage::Result<Self> {
        let mut model = Self::default();
        for adapter in snapshot.adapters()? {
            for info in snapshot.versions(&adapter)? {
                let mut version = ModelVersion { published: info.published, ..ModelVersion::default() };
                for matrix in snapshot.matrices(&adapter, &info.version)? {
                    let shape = (matrix.shape.rows, matrix.shape.cols);
                    let mut values = vec![7.0; shape.0 * shape.1];
                    snapshot.read_matrix(&matrix.path, &mut values)?;
                    let dtype = matrix.dtype;
                    let bits: Vec<u32> = values.iter().map(|value| to_bits(dtype, *value)).collect();
                    assert_eq!(
                        matrix.active,
                        bits.iter().filter(|b| **b != 0).count() as u64,
                        "{}",
                        matrix.path
                    );
                    let key = (matrix.path.layer, matrix.path.module, matrix.path.matrix);
                    version.matrices.insert(key, ModelMatrix { shape, dtype, bits });
                }
                for tag in &info.tags {
                    model.tags.insert((adapter.clone(), tag.clone()), info.version.clone());
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
        assert_eq!(self.metadata.keys().collect::<Vec<_>>(), other.metadata.keys().collect::<Vec<_>>());
        assert!(self.metadata == other.metadata, "metadata differ");
        assert_eq!(self.versions.keys().collect::<Vec<_>>(), other.versions.keys().collect::<Vec<_>>());
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
                assert_eq!((matrix.shape, matrix.dtype), (their_matrix.shape, their_matrix.dtype));
                let difference = matrix.bits.iter().zip(&their_matrix.bits).position(|(a, b)| a != b);
                assert_eq!(difference, None, "{name:?} {key:?} of {:?}", matrix.shape);
            }
        }
    }
}
