//! What the leaves of the trees hold.
//!
//! ```text
//! metadata    | 1 | bytes, at most 512                                             |
//! metadata    | 2 | length 8 | table of blobs of 256 KiB                           |
//! adapter     | 3 | highest version number 8                                       |
//! tag         | 4 | name of a version                                              |
//! version     | 5 | flags 1 | sequence 8 | reference to the root of its tree 24    |
//! matrix      | 6 | type 1 | rows 4 | columns 4 | scale 4 | active 8 | table of chunks |
//!
//! blob, an object: a piece of a metadata value
//!   0 | kind 5       | 1
//!   1 | zeros        | 7
//!   8 | the piece    | at most 256 KiB
//! ```
//!
//! The types of numbers are 1 f32 and 2 f16; 3 (bf16) and 4 (int8) are reserved and refused. The scale is 1.
//!
//! The first byte says which it is; bit 0 of a version's flags says that it is published. A table is the references of
//! its root, whose number follows from the record.

use super::cursor::{Cursor, Encoder};
use super::geometry::Geometry;
use super::object::Malformed;
use super::reference::Ref;
use super::table::Table;
use crate::grid::path::{DataType, MAX_ELEMENTS};

/// Longest metadata value that stands in the leaf itself.
pub(crate) const INLINE_BYTES: usize = 512;
/// Bytes of a blob before its piece of a value.
pub(crate) const BLOB_HEADER_BYTES: usize = 8;
/// Bytes of one piece of a longer value.
pub(crate) const BLOB_PIECE_BYTES: usize = 256 << 10;

const INLINE: u8 = 1;
const BLOB: u8 = 2;
const ADAPTER: u8 = 3;
const TAG: u8 = 4;
const VERSION: u8 = 5;
const MATRIX: u8 = 6;

const PUBLISHED: u8 = 1;
/// The bits of 1.0: the scale of numbers that are stored as they are.
const SCALE: u32 = 0x3f80_0000;

/// What a leaf holds under one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Metadata of at most [`INLINE_BYTES`].
    Inline(Vec<u8>),
    /// Longer metadata: its length in bytes, and pieces of [`BLOB_PIECE_BYTES`], the last one shorter.
    Blob {
        len: u64,
        pieces: Table,
    },
    Adapter(AdapterRecord),
    /// The name of the version that a tag points at.
    Tag(String),
    Version(VersionRecord),
    Matrix(MatrixRecord),
}

/// What is kept of an adapter apart from its versions, until the adapter itself is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdapterRecord {
    /// The highest version number it ever had, dropped versions included; 0 at first.
    pub(crate) highest: u64,
}

/// What is kept of a version beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VersionRecord {
    /// Its number among all versions of the store, in the order of their creation.
    pub(crate) sequence: u64,
    pub(crate) published: bool,
    /// The root of its tree of matrices; null when it has none.
    pub(crate) root: Ref,
}

/// The shape of a matrix and the references to its chunks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MatrixRecord {
    pub(crate) dtype: DataType,
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    /// How many elements are not +0.0.
    pub(crate) active: u64,
    /// A reference for each chunk, null where a chunk has no active element.
    pub(crate) chunks: Table,
}

/// Why a leaf, or one of its values, is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeafError {
    /// It is not what this format says.
    Malformed(Malformed),
    /// It holds a matrix of this type of numbers, which other builds have written and this one does not read.
    UnsupportedType(&'static str),
}

impl From<Malformed> for LeafError {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

/// The number of a type in matrices and chunks.
pub(crate) const fn dtype_code(dtype: DataType) -> u8 {
    match dtype {
        DataType::F32 => 1,
        DataType::F16 => 2,
    }
}

fn dtype_from_code(code: u8) -> Result<DataType, LeafError> {
    match code {
        1 => Ok(DataType::F32),
        2 => Ok(DataType::F16),
        // Reserved for the types that earlier builds wrote.
        3 => Err(LeafError::UnsupportedType("bf16")),
        4 => Err(LeafError::UnsupportedType("int8")),
        _ => Err(LeafError::Malformed("a matrix has an unknown type of numbers")),
    }
}

impl Value {
    pub(crate) fn encode(&self, out: &mut Encoder) {
        match self {
            Self::Inline(bytes) => {
                out.u8(INLINE).raw(bytes);
            }
            Self::Blob { len, pieces } => {
                out.u8(BLOB).u64(*len);
                pieces.encode(out);
            }
            Self::Adapter(record) => {
                out.u8(ADAPTER).u64(record.highest);
            }
            Self::Tag(version) => {
                out.u8(TAG).raw(version.as_bytes());
            }
            Self::Version(record) => {
                out.u8(VERSION).u8(if record.published { PUBLISHED } else { 0 }).u64(record.sequence);
                record.root.encode(out);
            }
            Self::Matrix(record) => {
                out.u8(MATRIX).u8(dtype_code(record.dtype)).u32(record.rows).u32(record.cols);
                out.u32(SCALE).u64(record.active);
                record.chunks.encode(out);
            }
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut input = Cursor::new(bytes);
        let value = match input.u8()? {
            INLINE => return Ok(Self::Inline(input.rest().to_vec())),
            BLOB => {
                let len = input.u64()?;
                let pieces = Table::decode(&mut input, len.div_ceil(BLOB_PIECE_BYTES as u64))?;
                Self::Blob { len, pieces }
            }
            ADAPTER => Self::Adapter(AdapterRecord { highest: input.u64()? }),
            TAG => {
                let name = String::from_utf8(input.rest().to_vec());
                return name.map(Self::Tag).map_err(|_| LeafError::Malformed("a tag is not UTF-8"));
            }
            VERSION => {
                let published = input.u8()? & PUBLISHED != 0;
                Self::Version(VersionRecord {
                    published,
                    sequence: input.u64()?,
                    root: Ref::decode(&mut input)?,
                })
            }
            MATRIX => Self::Matrix(decode_matrix(&mut input)?),
            _ => return Err(LeafError::Malformed("a leaf's value is of an unknown kind")),
        };
        if input.is_empty() {
            Ok(value)
        } else {
            Err(LeafError::Malformed("a leaf's value is longer than its kind"))
        }
    }
}

fn decode_matrix(input: &mut Cursor<'_>) -> Result<MatrixRecord, LeafError> {
    let dtype = dtype_from_code(input.u8()?)?;
    let (rows, cols) = (input.u32()?, input.u32()?);
    if input.u32()? != SCALE {
        return Err(LeafError::Malformed("a matrix has a scale other than 1"));
    }
    let active = input.u64()?;
    let elements = u64::from(rows) * u64::from(cols);
    if elements == 0 || elements > MAX_ELEMENTS {
        return Err(LeafError::Malformed("a matrix has an impossible shape"));
    }
    if active > elements {
        return Err(LeafError::Malformed("a matrix has more active elements than elements"));
    }
    let chunks = Geometry::new(rows, cols).chunks();
    Ok(MatrixRecord { dtype, rows, cols, active, chunks: Table::decode(input, chunks)? })
}
