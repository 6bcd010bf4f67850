//! Operations, done to the model and to a write alike. One that makes no sense now does nothing to either.

use hyprstream_storage::{Compression, DataType, MatrixPath, Result, Shape, VersionPath, WriteTransaction};

use super::model::ModelMatrix;
use super::{DTYPES, Model, Op, SHAPES, batch_of, blob, edits, make_values, matrix_path, version_name};

impl Model {
    pub fn apply(&mut self, op: &Op, write: &mut WriteTransaction<'_>) -> Result<()> {
        match *op {
            Op::Put { version, matrix, shape, dtype, density, seed } => {
                let (shape, dtype) = (SHAPES[usize::from(shape)], DTYPES[usize::from(dtype)]);
                self.put(write, version, matrix, shape, dtype, &make_values(shape, density, seed))
            }
            Op::PutEmpty { version, matrix, shape, dtype } => {
                let (shape, dtype) = (SHAPES[usize::from(shape)], DTYPES[usize::from(dtype)]);
                self.put_empty(write, version, matrix, shape, dtype)
            }
            Op::Remove { version, matrix } => self.remove(write, version, matrix),
            Op::Update { version, matrix, count, seed } => self.update(write, version, matrix, count, seed),
            Op::Perturb { version, matrix, seed } => self.perturb(write, version, matrix, seed),
            Op::Publish { version } => self.publish(write, version),
            Op::Branch { from, to } => self.branch(write, from, to),
            Op::Drop { version } => self.drop_version(write, version),
            Op::Tag { version, tag } => self.tag(write, version, tag),
            Op::Recode { version, how } => self.recode(write, version, how),
            Op::PutMetadata { key, len, seed } => {
                let (key, value) = (vec![b'k', key], blob(len, seed));
                write.put_metadata(&key, &value)?;
                self.metadata.insert(key, value);
                Ok(())
            }
            Op::RemoveMetadata { key } => {
                let key = vec![b'k', key];
                assert_eq!(write.remove_metadata(&key)?, self.metadata.remove(&key).is_some());
                Ok(())
            }
        }
    }

    fn is_published(&self, version: u8) -> bool {
        self.versions.get(&version_name(version)).is_some_and(|v| v.published)
    }

    fn insert(&mut self, path: MatrixPath, matrix: ModelMatrix) {
        let version = self.versions.entry((path.adapter, path.version)).or_default();
        version.matrices.insert((path.layer, path.module, path.matrix), matrix);
    }

    fn put(
        &mut self,
        write: &mut WriteTransaction<'_>,
        version: u8,
        matrix: u8,
        shape: (usize, usize),
        dtype: DataType,
        values: &[f32],
    ) -> Result<()> {
        if self.is_published(version) {
            return Ok(());
        }
        let path = matrix_path(version, matrix);
        write.put_matrix(&path, Shape::new(shape.0, shape.1), dtype, values)?;
        self.insert(path, ModelMatrix::of(shape, dtype, values));
        Ok(())
    }

    fn put_empty(
        &mut self,
        write: &mut WriteTransaction<'_>,
        version: u8,
        matrix: u8,
        shape: (usize, usize),
        dtype: DataType,
    ) -> Result<()> {
        if self.is_published(version) {
            return Ok(());
        }
        let path = matrix_path(version, matrix);
        write.put_empty_matrix(&path, Shape::new(shape.0, shape.1), dtype)?;
        self.insert(path, ModelMatrix::of(shape, dtype, &vec![0.0; shape.0 * shape.1]));
        Ok(())
    }

    fn remove(&mut self, write: &mut WriteTransaction<'_>, version: u8, matrix: u8) -> Result<()> {
        if !self.is_draft(version) {
            return Ok(());
        }
        let path = matrix_path(version, matrix);
        let removed = write.remove_matrix(&path)?;
        let version = self.versions.get_mut(&version_name(version)).unwrap();
        assert_eq!(removed, version.matrices.remove(&(path.layer, path.module, path.matrix)).is_some());
        Ok(())
    }

    fn update(
        &mut self,
        write: &mut WriteTransaction<'_>,
        version: u8,
        matrix: u8,
        count: u16,
        seed: u64,
    ) -> Result<()> {
        let shape = self.matrix(version, matrix).map(|m| m.shape);
        let Some(shape) = shape.filter(|_| self.is_draft(version)) else {
            return Ok(());
        };
        let edits = edits(shape, count, seed);
        write.apply(&batch_of(&matrix_path(version, matrix), &edits))?;
        self.edit(version, matrix, &edits);
        Ok(())
    }

    /// Stores a matrix again with one element of a hundred changed.
    fn perturb(
        &mut self,
        write: &mut WriteTransaction<'_>,
        version: u8,
        matrix: u8,
        seed: u64,
    ) -> Result<()> {
        let shape = self.matrix(version, matrix).map(|m| m.shape);
        let Some(shape) = shape.filter(|_| self.is_draft(version)) else {
            return Ok(());
        };
        let count = (shape.0 * shape.1 / 100).clamp(1, 300) as u16;
        let edits: Vec<_> =
            edits(shape, count, seed).into_iter().map(|(row, col, _, value)| (row, col, 0, value)).collect();
        self.edit(version, matrix, &edits);
        let now = self.matrix(version, matrix).unwrap();
        let path = matrix_path(version, matrix);
        write.put_matrix(&path, Shape::new(shape.0, shape.1), now.dtype, &now.values())
    }

    fn publish(&mut self, write: &mut WriteTransaction<'_>, version: u8) -> Result<()> {
        let name = version_name(version);
        if let Some(v) = self.versions.get_mut(&name) {
            write.publish_version(&name.0, &name.1)?;
            v.published = true;
        }
        Ok(())
    }

    fn branch(&mut self, write: &mut WriteTransaction<'_>, from: u8, to: u8) -> Result<()> {
        let (from, to) = (version_name(from), version_name(to));
        if !self.versions.contains_key(&from) || self.versions.contains_key(&to) {
            return Ok(());
        }
        write.branch_version(VersionPath::new(&from.0, &from.1), VersionPath::new(&to.0, &to.1))?;
        let mut copy = self.versions[&from].clone();
        copy.published = false;
        self.versions.insert(to, copy);
        Ok(())
    }

    fn drop_version(&mut self, write: &mut WriteTransaction<'_>, version: u8) -> Result<()> {
        let name = version_name(version);
        let dropped = write.drop_version(&name.0, &name.1)?;
        assert_eq!(dropped, self.versions.remove(&name).is_some());
        self.tags.retain(|(adapter, _), target| *adapter != name.0 || *target != name.1);
        Ok(())
    }

    fn tag(&mut self, write: &mut WriteTransaction<'_>, version: u8, tag: u8) -> Result<()> {
        let (name, tag) = (version_name(version), format!("tag{tag}"));
        if self.versions.contains_key(&name) {
            write.tag_version(&name.0, &name.1, &tag)?;
            self.tags.insert((name.0, tag), name.1);
        }
        Ok(())
    }

    fn recode(&mut self, write: &mut WriteTransaction<'_>, version: u8, how: u8) -> Result<()> {
        let name = version_name(version);
        if self.versions.contains_key(&name) {
            match how {
                0 => write.freeze_version(&name.0, &name.1, Compression::Zstd(1))?,
                1 => write.freeze_version(&name.0, &name.1, Compression::Lz4)?,
                _ => write.thaw_version(&name.0, &name.1)?,
            };
        }
        Ok(())
    }
}
