//! A plain map that does what the store should do.

use std::collections::BTreeMap;

use hyprstream_storage::{DataType, Durability, GridStore, Snapshot};

use super::{Op, from_bits, matrix_path, to_bits, version_name};

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
    pub fn of(shape: (usize, usize), dtype: DataType, values: &[f32]) -> Self {
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
            let bits = &mut m.bits[row as usize * m.shape.1 + col as usize];
            *bits = match kind {
                0 => to_bits(m.dtype, value),
                1 => to_bits(m.dtype, from_bits(m.dtype, *bits) + value),
                _ => 0,
            };
        }
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
