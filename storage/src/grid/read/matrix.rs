//! Reading a matrix.

use std::ops::Range;
use std::sync::OnceLock;

use super::state::State;
use crate::error::{Error, Result};
use crate::grid::chunk::layout::Layout;
use crate::grid::chunk::view::{ChunkView, LeafView};
use crate::grid::format::geometry::{Geometry, Leaf};
use crate::grid::format::object::Malformed;
use crate::grid::format::reference::Ref;
use crate::grid::format::value::MatrixRecord;
use crate::grid::objects::chunk_source::chunk_view;
use crate::grid::objects::source::Source;
use crate::grid::objects::table_reader::read_table;
use crate::grid::path::{DataType, MatrixPath, Shape};
use crate::integer::to_usize;

/// A matrix, as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixInfo {
    /// Where it lives.
    pub path: MatrixPath,
    /// Its shape.
    pub shape: Shape,
    /// How its numbers are stored.
    pub dtype: DataType,
    /// Elements whose bits are not those of +0.0.
    pub active: u64,
}

impl MatrixInfo {
    pub(crate) fn new(path: MatrixPath, record: &MatrixRecord) -> Self {
        Self {
            path,
            shape: Shape::new(record.rows as usize, record.cols as usize),
            dtype: record.dtype,
            active: record.active,
        }
    }
}

/// A matrix of a snapshot. Each chunk's checksum is verified when it is first touched through this handle.
#[derive(Debug)]
pub struct Matrix<'snapshot> {
    state: &'snapshot State,
    path: MatrixPath,
    record: MatrixRecord,
    geometry: Geometry,
    dtype: DataType,
    chunks: Vec<Ref>,
    seen: Vec<OnceLock<ChunkView<'snapshot>>>,
}

impl<'snapshot> Matrix<'snapshot> {
    pub(crate) fn new(state: &'snapshot State, path: MatrixPath, record: MatrixRecord) -> Result<Self> {
        let chunks = read_table(&state.source, &record.chunks)?;
        Ok(Self {
            state,
            path,
            geometry: Geometry::new(record.rows, record.cols),
            dtype: record.dtype,
            seen: chunks.iter().map(|_| OnceLock::new()).collect(),
            chunks,
            record,
        })
    }

    /// What it is.
    pub fn info(&self) -> MatrixInfo {
        MatrixInfo::new(self.path.clone(), &self.record)
    }

    /// One element; +0.0 where nothing is stored.
    pub fn get(&self, row: usize, col: usize) -> Result<f32> {
        let (Ok(row32), Ok(col32)) = (u32::try_from(row), u32::try_from(col)) else {
            return Err(self.outside(row, col));
        };
        if row32 >= self.record.rows || col32 >= self.record.cols {
            return Err(self.outside(row, col));
        }
        let location = self.geometry.locate(row32, col32);
        let Some(view) = self.chunk(location.chunk)? else {
            return Ok(0.0);
        };
        let index = usize::from(location.leaf);
        let leaf = self.geometry.leaf(location.chunk, index);
        let leaf_view = self.leaf(view, location.chunk, index, &leaf)?;
        Ok(self.dtype.value(leaf_view.bits(&leaf, location.position, self.dtype)))
    }

    /// Decodes all of it into `values`, row-major; the length must be its number of elements.
    pub fn read_into(&self, values: &mut [f32]) -> Result<()> {
        let cols = self.record.cols as usize;
        let elements = self.record.rows as usize * cols;
        if values.len() != elements {
            let reason = format!("{} has {elements} elements, and the slice has {}", self.path, values.len());
            return Err(Error::argument("values", reason));
        }
        for chunk in 0..self.geometry.chunks() {
            let view = self.chunk(chunk)?;
            for index in 0..self.geometry.leaves_of(chunk) {
                let leaf = self.geometry.leaf(chunk, index);
                match view {
                    Some(view) => {
                        let view = self.leaf(view, chunk, index, &leaf)?;
                        match view.dense_values() {
                            Some(packed) => self.decode_dense(&leaf, packed, values, cols),
                            None => self.decode_sparse(&leaf, view, values, cols),
                        }
                    }
                    None => rows_of(&leaf, values, cols, |line| line.fill(0.0)),
                }
            }
        }
        Ok(())
    }

    /// Calls `visit(row, col, value)` for each active element in the ranges, leaf by leaf, row-major in a leaf;
    /// chunks outside the ranges are not read. An error of `visit` ends the walk.
    pub fn for_each_active(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        visit: &mut dyn FnMut(usize, usize, f32) -> Result<()>,
    ) -> Result<()> {
        let chunks = self.geometry.chunks_of_rows(&rows);
        let chunks = chunks.filter(|chunk| self.geometry.chunk_overlaps(*chunk, &rows, &cols));
        self.for_each_leaf(chunks, &mut |leaf, view| {
            let Some(view) = view.filter(|_| leaf.overlaps(&rows, &cols)) else {
                return Ok(());
            };
            let mut outcome = Ok(());
            view.for_each(leaf, self.dtype, |position, bits| {
                let (row, col) = leaf.element(position);
                let (row, col) = (row as usize, col as usize);
                if outcome.is_ok() && rows.contains(&row) && cols.contains(&col) {
                    outcome = visit(row, col, self.dtype.value(bits));
                }
            });
            outcome
        })
    }

    fn for_each_leaf(
        &self,
        chunks: impl Iterator<Item = u64>,
        visit: &mut dyn FnMut(&Leaf, Option<LeafView<'_>>) -> Result<()>,
    ) -> Result<()> {
        for chunk in chunks {
            let view = self.chunk(chunk)?;
            for index in 0..self.geometry.leaves_of(chunk) {
                let leaf = self.geometry.leaf(chunk, index);
                let leaf_view = view.map(|view| self.leaf(view, chunk, index, &leaf)).transpose()?;
                visit(&leaf, leaf_view)?;
            }
        }
        Ok(())
    }

    /// Decodes a leaf that stores all its values.
    fn decode_dense(&self, leaf: &Leaf, packed: &[u8], values: &mut [f32], cols: usize) {
        if leaf.width as usize == cols {
            let start = leaf.row as usize * cols;
            if let Some(part) = values.get_mut(start..start + leaf.area()) {
                self.dtype.decode(packed, part);
            }
            return;
        }
        // The leaf is read from one end to the other, although its rows lie far apart in `values`: sequential reads
        // matter more, as the bench's row of 4096 × 4096 shows.
        let width = (leaf.width as usize).max(1);
        if let Some(floats) = self.dtype.as_floats(packed) {
            let mut lines = floats.chunks_exact(width);
            rows_of(leaf, values, cols, |line| {
                if let Some(floats) = lines.next() {
                    line.copy_from_slice(floats);
                }
            });
            return;
        }
        let mut lines = packed.chunks_exact(width * self.dtype.bytes());
        rows_of(leaf, values, cols, |line| {
            if let Some(packed) = lines.next() {
                self.dtype.decode(packed, line);
            }
        });
    }

    fn decode_sparse(&self, leaf: &Leaf, view: LeafView<'_>, values: &mut [f32], cols: usize) {
        rows_of(leaf, values, cols, |line| line.fill(0.0));
        view.for_each(leaf, self.dtype, |position, bits| {
            let (row, col) = leaf.element(position);
            if let Some(value) = values.get_mut(row as usize * cols + col as usize) {
                *value = self.dtype.value(bits);
            }
        });
    }

    #[inline]
    fn chunk(&self, chunk: u64) -> Result<Option<&ChunkView<'snapshot>>> {
        let index = to_usize(chunk);
        let (Some(reference), Some(seen)) = (self.chunks.get(index), self.seen.get(index)) else {
            return Ok(None);
        };
        if reference.is_null() {
            return Ok(None);
        }
        if let Some(view) = seen.get() {
            return Ok(Some(view));
        }
        self.see(chunk, reference, seen).map(Some)
    }

    #[cold]
    fn see<'s>(
        &self,
        chunk: u64,
        reference: &Ref,
        seen: &'s OnceLock<ChunkView<'snapshot>>,
    ) -> Result<&'s ChunkView<'snapshot>> {
        let view = chunk_view(&self.state.source, reference, &Layout::of(&self.record), chunk)
            .map_err(|error| error.about(|| format!("chunk {chunk} of {}", self.path)))?;
        Ok(seen.get_or_init(|| view))
    }

    // Inlined, so that the leaf stays in registers: storing it would take as long as reading one element.
    #[inline]
    fn leaf<'v>(
        &self,
        view: &'v ChunkView<'_>,
        chunk: u64,
        index: usize,
        leaf: &Leaf,
    ) -> Result<LeafView<'v>> {
        view.leaf(index, leaf, self.dtype).map_err(|reason| self.malformed_leaf(chunk, index, reason))
    }

    #[cold]
    fn malformed_leaf(&self, chunk: u64, index: usize, reason: Malformed) -> Error {
        let at = self.chunks.get(to_usize(chunk)).copied();
        self.state
            .source
            .malformed(&at.unwrap_or(Ref::NULL), "a leaf", reason)
            .about(|| format!("leaf {index} of chunk {chunk} of {}", self.path))
    }

    fn outside(&self, row: usize, col: usize) -> Error {
        let shape = format!("{} x {}", self.record.rows, self.record.cols);
        Error::argument("element", format!("({row}, {col}) is outside {}, which is {shape}", self.path))
    }
}

/// Calls `visit(line)` with the leaf's part of each row of a matrix that is `cols` wide.
fn rows_of(leaf: &Leaf, values: &mut [f32], cols: usize, mut visit: impl FnMut(&mut [f32])) {
    for row in 0..leaf.height as usize {
        let start = (leaf.row as usize + row) * cols + leaf.col as usize;
        if let Some(line) = values.get_mut(start..start + leaf.width as usize) {
            visit(line);
        }
    }
}
