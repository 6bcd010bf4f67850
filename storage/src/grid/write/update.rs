//! Batches of sparse updates, as callers build them and as the write-ahead log holds them.
//!
//! ```text
//! payload of a record
//!   | number of matrices                               | 4
//!   | of each: adapter, version, module, matrix:       |
//!   |   length of the name, name                       | 2 + n each
//!   |   layer                                          | 4
//!   |   number of edits                                | 4
//!   |   edits: row 4, column 4, kind 1, value 4        | 13 each
//! ```

use std::collections::BTreeMap;

use crate::grid::chunk::merge::Edit;
use crate::grid::format::cursor::{Cursor, Encoder};
use crate::grid::format::object::Decoded;
use crate::grid::path::MatrixPath;

use crate::error::Result;
use crate::integer::{field_u16, field_u32};

const SET: u8 = 1;
const ADD: u8 = 2;
const CLEAR: u8 = 3;
const BITS: u8 = 4;

/// Sparse changes of elements; those of one element apply in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct UpdateBatch {
    pub(crate) groups: BTreeMap<MatrixPath, Edits>,
}

/// The changes of one matrix, in order: row, column, change.
pub(crate) type Edits = Vec<(u32, u32, Edit)>;

impl UpdateBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets elements `(row, col, value)` of a matrix.
    pub fn set(&mut self, path: &MatrixPath, elements: &[(u32, u32, f32)]) -> &mut Self {
        let edits = elements.iter().map(|&(row, col, value)| (row, col, Edit::Set(value)));
        self.group(path).extend(edits);
        self
    }

    /// Adds to elements `(row, col, value)` of a matrix, in f32, then rounds to the matrix's type.
    pub fn add(&mut self, path: &MatrixPath, elements: &[(u32, u32, f32)]) -> &mut Self {
        let edits = elements.iter().map(|&(row, col, value)| (row, col, Edit::Add(value)));
        self.group(path).extend(edits);
        self
    }

    /// Makes elements `(row, col)` inactive: exactly +0.0.
    pub fn clear(&mut self, path: &MatrixPath, elements: &[(u32, u32)]) -> &mut Self {
        self.group(path).extend(elements.iter().map(|&(row, col)| (row, col, Edit::Clear)));
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.groups.values().all(Vec::is_empty)
    }

    fn group(&mut self, path: &MatrixPath) -> &mut Edits {
        self.groups.entry(path.clone()).or_default()
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let elements: usize = self.groups.values().map(Vec::len).sum();
        let mut out = Encoder::with_capacity(64 * self.groups.len() + 13 * elements);
        out.u32(field_u32(self.groups.len(), "the number of matrices of a batch")?);
        for (path, edits) in &self.groups {
            for name in [&path.adapter, &path.version, &path.module, &path.matrix] {
                out.u16(field_u16(name.len(), "the length of a name")?).raw(name.as_bytes());
            }
            out.u32(path.layer).u32(field_u32(edits.len(), "the number of edits of a matrix")?);
            for (row, col, edit) in edits {
                out.u32(*row).u32(*col);
                match edit {
                    Edit::Set(value) => out.u8(SET).u32(value.to_bits()),
                    Edit::Add(value) => out.u8(ADD).u32(value.to_bits()),
                    Edit::Clear => out.u8(CLEAR).u32(0),
                    Edit::Bits(bits) => out.u8(BITS).u32(*bits),
                };
            }
        }
        Ok(out.bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut input = Cursor::new(bytes);
        let mut batch = Self::new();
        for _ in 0..input.u32()? {
            let mut name = || -> Decoded<String> {
                let len = usize::from(input.u16()?);
                String::from_utf8(input.take(len)?.to_vec()).map_err(|_| "a name is not UTF-8")
            };
            let (adapter, version, module, matrix) = (name()?, name()?, name()?, name()?);
            let layer = input.u32()?;
            let path = MatrixPath { adapter, version, layer, module, matrix };
            let mut edits = Edits::new();
            for _ in 0..input.u32()? {
                let (row, col, code, bits) = (input.u32()?, input.u32()?, input.u8()?, input.u32()?);
                edits.push((
                    row,
                    col,
                    match code {
                        SET => Edit::Set(f32::from_bits(bits)),
                        ADD => Edit::Add(f32::from_bits(bits)),
                        CLEAR => Edit::Clear,
                        BITS => Edit::Bits(bits),
                        _ => return Err("an update is of an unknown kind"),
                    },
                ));
            }
            batch.groups.insert(path, edits);
        }
        if input.is_empty() { Ok(batch) } else { Err("a batch is longer than its groups") }
    }
}
