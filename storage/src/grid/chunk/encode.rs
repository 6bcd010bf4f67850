//! Chunks to bytes.
//!
//! ```text
//! raw chunk
//!   0 | kind 4                                             | 1
//!   1 | codec 0                                            | 1
//!   2 | type of the numbers                                | 1
//!   3 | number of leaves                                   | 1
//!   4 | length of this object                              | 4
//!   8 | directory, of each leaf:                           | 4 each
//!     |   form: bits 30-31, active elements: bits 17-29    |
//!     |   begin of its body in 4 bytes: bits 0-16          |
//!     | bodies, each padded to 4 bytes                     |
//!
//! body by form
//!   0 offsets | positions 2 each, rising, padded to 4 | values             |
//!   1 mask    | 8 counts 2 each | bits 512            | values of set bits |
//!   2 runs    | number 4 | first 2 and last 2 of each | values             |
//!   3 dense   |                                         all values, by row |
//! ```

use super::codec::CODEC_RAW;
use crate::grid::format::geometry::{Geometry, LEAF_ELEMENTS, Leaf};
use crate::grid::format::object::{Kind, MAX_OBJECT_BYTES};
use crate::grid::format::value::dtype_code;
use crate::grid::path::DataType;
use crate::integer::{low_u8, low_u16, low_u32};

/// Before the directory of leaves: kind, codec, type of numbers, number of leaves, length when raw.
pub(crate) const HEADER_BYTES: usize = 8;
/// Counts of the bits before each eighth of a mask, then the mask.
pub(crate) const MASK_BYTES: usize = 16 + LEAF_ELEMENTS as usize / 8;

/// How a leaf is encoded; the numbers stand in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Sorted u16 positions, then packed values.
    Offsets,
    /// A bitmask with counts, then packed values.
    Mask,
    /// A run count, then (first, last) positions of runs, then packed values.
    Runs,
    /// All values of the leaf's part of the matrix, row by row.
    Dense,
}

impl Form {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Offsets => 0,
            Self::Mask => 1,
            Self::Runs => 2,
            Self::Dense => 3,
        }
    }

    pub(crate) fn from_code(code: u32) -> Self {
        match code & 3 {
            0 => Self::Offsets,
            1 => Self::Mask,
            2 => Self::Runs,
            _ => Self::Dense,
        }
    }

    /// The smallest form; of equals the one that is read fastest.
    pub(crate) fn smallest(active: usize, runs: usize, area: usize, value_bytes: usize) -> Self {
        let values = active * value_bytes;
        [
            (area * value_bytes, Self::Dense),
            (MASK_BYTES + values, Self::Mask),
            ((2 * active).next_multiple_of(4) + values, Self::Offsets),
            (4 + 4 * runs + values, Self::Runs),
        ]
        .into_iter()
        .min_by_key(|(bytes, _)| *bytes)
        .map_or(Self::Dense, |(_, form)| form)
    }
}

/// An encoded chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) bytes: Vec<u8>,
    pub(crate) active: u32,
}

/// Writes the leaves of one chunk.
#[derive(Debug)]
pub(crate) struct ChunkBuilder {
    bytes: Vec<u8>,
    dtype: DataType,
    leaf: usize,
    active: u32,
}

impl ChunkBuilder {
    pub(crate) fn new(dtype: DataType, leaves: usize, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        // A chunk has at most 16 leaves.
        let count = low_u8(leaves as u64);
        bytes.extend_from_slice(&[Kind::Chunk.code(), CODEC_RAW, dtype_code(dtype), count]);
        bytes.resize(HEADER_BYTES + 4 * leaves, 0);
        Self { bytes, dtype, leaf: 0, active: 0 }
    }

    /// The next leaf, from its active elements in order of positions.
    pub(crate) fn push(&mut self, leaf: &Leaf, elements: &[(u16, u32)]) {
        let runs = count_runs(elements);
        let form = Form::smallest(elements.len(), runs, leaf.area(), self.dtype.bytes());
        self.begin(form, elements.len());
        let values = elements.iter().map(|(_, bits)| *bits);
        match form {
            Form::Offsets => {
                let start = self.bytes.len();
                self.bytes.resize((start + 2 * elements.len()).next_multiple_of(4), 0);
                let targets = self.bytes.split_at_mut(start).1.as_chunks_mut().0;
                for (target, (position, _)) in targets.iter_mut().zip(elements) {
                    *target = position.to_le_bytes();
                }
                self.dtype.write(&mut self.bytes, values);
            }
            Form::Mask => {
                self.push_mask(elements);
                self.dtype.write(&mut self.bytes, values);
            }
            Form::Runs => {
                self.push_runs(elements, runs);
                self.dtype.write(&mut self.bytes, values);
            }
            Form::Dense => {
                let mut all = vec![0u32; leaf.area()];
                for (position, bits) in elements {
                    if let Some(target) = leaf.index_of(*position).and_then(|index| all.get_mut(index)) {
                        *target = *bits;
                    }
                }
                self.dtype.write(&mut self.bytes, all.into_iter());
            }
        }
        self.align();
    }

    /// The next leaf, dense, from all its elements.
    pub(crate) fn push_dense(&mut self, all: &[u32], active: usize) {
        self.begin(Form::Dense, active);
        self.dtype.write(&mut self.bytes, all.iter().copied());
        self.align();
    }

    /// The next leaf, as another chunk of the same numbers has it.
    pub(crate) fn push_encoded(&mut self, form: Form, active: usize, body: &[u8]) {
        self.begin(form, active);
        self.bytes.extend_from_slice(body);
        self.align();
    }

    pub(crate) fn finish(mut self) -> Built {
        let len = length_field(self.bytes.len());
        if let Some(field) = self.bytes.get_mut(4..8) {
            field.copy_from_slice(&len.to_le_bytes());
        }
        Built { bytes: self.bytes, active: self.active }
    }

    fn begin(&mut self, form: Form, active: usize) {
        let body = length_field(self.bytes.len() / 4);
        let count = length_field(active);
        let entry = u32::from(form.code()) << 30 | count << 17 | body;
        let at = HEADER_BYTES + 4 * self.leaf;
        if let Some(field) = self.bytes.get_mut(at..at + 4) {
            field.copy_from_slice(&entry.to_le_bytes());
        }
        self.leaf += 1;
        self.active += count;
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn push_mask(&mut self, elements: &[(u16, u32)]) {
        let mut words = [0u64; LEAF_ELEMENTS as usize / 64];
        for (position, _) in elements {
            if let Some(word) = words.get_mut(usize::from(position >> 6)) {
                *word |= 1 << (position & 63);
            }
        }
        let mut before = 0u16;
        for eighth in words.chunks(8) {
            self.bytes.extend_from_slice(&before.to_le_bytes());
            // At most the 4096 bits of a leaf.
            before += low_u16(eighth.iter().map(|word| u64::from(word.count_ones())).sum());
        }
        for word in words {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn push_runs(&mut self, elements: &[(u16, u32)], runs: usize) {
        self.bytes.extend_from_slice(&length_field(runs).to_le_bytes());
        for run in elements.chunk_by(|(a, _), (b, _)| a + 1 == *b) {
            if let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) {
                self.bytes.extend_from_slice(&first.to_le_bytes());
                self.bytes.extend_from_slice(&last.to_le_bytes());
            }
        }
    }
}

/// A length or a count within a chunk, which has at most 16 leaves of less than 2^16 bytes.
fn length_field(n: usize) -> u32 {
    debug_assert!(n <= MAX_OBJECT_BYTES, "{n} is too long for a chunk");
    low_u32(n as u64)
}

fn count_runs(elements: &[(u16, u32)]) -> usize {
    let breaks = elements.iter().zip(elements.iter().skip(1)).filter(|((a, _), (b, _))| a + 1 != *b).count();
    if elements.is_empty() { 0 } else { breaks + 1 }
}

/// Encodes one chunk of a matrix given row-major. `scratch` is reused between calls.
pub(crate) fn encode_chunk(
    geometry: &Geometry,
    chunk: u64,
    dtype: DataType,
    values: &[f32],
    scratch: &mut Scratch,
) -> Built {
    let leaves = geometry.leaves_of(chunk);
    let mut builder = ChunkBuilder::new(dtype, leaves, scratch.capacity);
    for index in 0..leaves {
        let leaf = geometry.leaf(chunk, index);
        gather(&leaf, geometry.cols as usize, dtype, values, &mut scratch.all);
        let active = scratch.all.iter().filter(|bits| **bits != 0).count();
        // A full leaf is never smaller than dense in another form.
        if active == leaf.area() {
            builder.push_dense(&scratch.all, active);
            continue;
        }
        scratch.elements.clear();
        let elements = scratch.all.iter().enumerate().filter(|(_, bits)| **bits != 0);
        scratch.elements.extend(elements.map(|(index, bits)| (leaf.position_of(index), *bits)));
        builder.push(&leaf, &scratch.elements);
    }
    let built = builder.finish();
    scratch.capacity = built.bytes.len();
    built
}

/// Buffers of [`encode_chunk`].
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    all: Vec<u32>,
    elements: Vec<(u16, u32)>,
    capacity: usize,
}

fn gather(leaf: &Leaf, cols: usize, dtype: DataType, values: &[f32], all: &mut Vec<u32>) {
    all.clear();
    for row in 0..leaf.height as usize {
        let start = (leaf.row as usize + row) * cols + leaf.col as usize;
        let line = values.get(start..start + leaf.width as usize).unwrap_or(&[]);
        match dtype {
            DataType::F32 => all.extend(line.iter().map(|value| value.to_bits())),
            DataType::F16 => all.extend(line.iter().map(|value| dtype.bits(*value))),
        }
    }
}
