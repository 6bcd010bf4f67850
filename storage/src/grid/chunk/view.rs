//! Raw chunks, read in place.

use std::borrow::Cow;

use super::codec::CODEC_RAW;
use super::encode::{Form, HEADER_BYTES, MASK_BYTES};
use crate::grid::format::cursor::Cursor;
use crate::grid::format::geometry::Leaf;
use crate::grid::format::object::{Decoded, Kind};
use crate::grid::format::value::dtype_code;
use crate::grid::path::DataType;
use crate::integer::low_u16;

/// A raw chunk. Its checksum was right; every length in it is checked all the same.
#[derive(Clone, Debug)]
pub(crate) struct ChunkView<'a> {
    bytes: Cow<'a, [u8]>,
    leaves: usize,
}

/// A leaf of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafView<'a> {
    pub(crate) form: Form,
    pub(crate) active: usize,
    /// Positions, mask or runs; empty when dense.
    pub(super) index: &'a [u8],
    /// Packed values.
    pub(super) values: &'a [u8],
    /// All of it, as another chunk can take it over.
    pub(crate) body: &'a [u8],
}

impl<'a> ChunkView<'a> {
    /// Looks at the bytes of a raw chunk that should hold numbers of this type.
    pub(crate) fn new(bytes: Cow<'a, [u8]>, dtype: DataType) -> Decoded<Self> {
        let mut input = Cursor::new(&bytes);
        if input.u8()? != Kind::Chunk.code() {
            return Err("it is not a chunk");
        }
        if input.u8()? != CODEC_RAW {
            return Err("it is not a raw chunk");
        }
        if input.u8()? != dtype_code(dtype) {
            return Err("a chunk's numbers are not of its matrix's type");
        }
        let leaves = usize::from(input.u8()?);
        if input.u32()? as usize != bytes.len() {
            return Err("a chunk's length is not what its header says");
        }
        Ok(Self { bytes, leaves })
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn leaves(&self) -> usize {
        self.leaves
    }

    /// One leaf, whose part of the matrix is `leaf`.
    #[inline]
    pub(crate) fn leaf(&self, index: usize, leaf: &Leaf, dtype: DataType) -> Decoded<LeafView<'_>> {
        let missing = "a chunk has fewer leaves than its matrix";
        if index >= self.leaves {
            return Err(missing);
        }
        let at = HEADER_BYTES + 4 * index;
        let entry = self.bytes.get(at..at + 4).and_then(|entry| entry.first_chunk()).ok_or(missing)?;
        let entry = u32::from_le_bytes(*entry);
        let form = Form::from_code(entry >> 30);
        let active = (entry >> 17 & 0x1fff) as usize;
        let body = self.bytes.get((entry & 0x1_ffff) as usize * 4..).ok_or("a leaf begins past its chunk")?;
        let area = leaf.area();
        if active > area {
            return Err("a leaf has more active elements than it covers");
        }
        let (index_bytes, stored) = match form {
            Form::Offsets => ((2 * active).next_multiple_of(4), active),
            Form::Mask => (MASK_BYTES, active),
            Form::Runs => {
                let runs = Cursor::new(body).u32()? as usize;
                if runs > active {
                    return Err("a leaf has more runs than active elements");
                }
                (4 + 4 * runs, active)
            }
            Form::Dense => (0, area),
        };
        let value_bytes = stored * dtype.bytes();
        let body = body.get(..index_bytes + value_bytes).ok_or("a leaf ends past its chunk")?;
        let (index, values) = body.split_at_checked(index_bytes).ok_or("a leaf ends past its chunk")?;
        Ok(LeafView { form, active, index, values, body })
    }
}

impl<'a> LeafView<'a> {
    /// The bits of the element at a position; 0 when it is inactive.
    #[inline]
    pub(crate) fn bits(&self, leaf: &Leaf, position: u16, dtype: DataType) -> u32 {
        let rank = match self.form {
            Form::Offsets => self.rank_in_offsets(position),
            Form::Mask => self.rank_in_mask(position),
            Form::Runs => self.rank_in_runs(position),
            Form::Dense => leaf.index_of(position),
        };
        rank.and_then(|rank| dtype.read(self.values, rank)).unwrap_or(0)
    }

    #[inline]
    fn rank_in_offsets(&self, position: u16) -> Option<usize> {
        let index = self.index.get(..2 * self.active)?;
        if let Ok(positions) = bytemuck::try_cast_slice::<u8, u16>(index) {
            // The map aligns objects, so this is the way taken; u16 read natively is little-endian here.
            return positions.binary_search_by(|p| u16::from_le(*p).cmp(&position)).ok();
        }
        index.as_chunks::<2>().0.binary_search_by(|p| u16::from_le_bytes(*p).cmp(&position)).ok()
    }

    fn rank_in_mask(&self, position: u16) -> Option<usize> {
        let eighth = usize::from(position >> 9);
        let before = u16::from_le_bytes(*self.index.get(2 * eighth..)?.first_chunk()?);
        let words = self.index.get(16 + 64 * eighth..16 + 64 * eighth + 64)?.as_chunks::<8>().0;
        let word_index = usize::from(position >> 6 & 7);
        let mut rank = u32::from(before);
        for word in words.get(..word_index)? {
            rank += u64::from_le_bytes(*word).count_ones();
        }
        let word = u64::from_le_bytes(*words.get(word_index)?);
        let bit = 1u64 << (position & 63);
        (word & bit != 0).then(|| (rank + (word & (bit - 1)).count_ones()) as usize)
    }

    fn rank_in_runs(&self, position: u16) -> Option<usize> {
        let mut rank = 0;
        for (first, last) in self.runs() {
            if position < first {
                return None;
            }
            if position <= last {
                return Some(rank + usize::from(position - first));
            }
            rank += usize::from(last.saturating_sub(first)) + 1;
        }
        None
    }

    fn runs(&self) -> impl Iterator<Item = (u16, u16)> {
        let runs = self.index.get(4..).unwrap_or(&[]).as_chunks::<4>().0;
        runs.iter().map(|[a, b, c, d]| (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d])))
    }

    /// Appends each active element, position and bits, in order.
    pub(crate) fn collect_into(&self, leaf: &Leaf, dtype: DataType, elements: &mut Vec<(u16, u32)>) {
        if self.form == Form::Offsets && dtype == DataType::F32 {
            let positions = self.index.as_chunks::<2>().0.iter().take(self.active);
            let values = self.values.as_chunks::<4>().0;
            let pairs = positions.zip(values);
            elements.extend(
                pairs.map(|(position, bits)| (u16::from_le_bytes(*position), u32::from_le_bytes(*bits))),
            );
            return;
        }
        self.for_each(leaf, dtype, |position, bits| elements.push((position, bits)));
    }

    /// Calls `visit(position, bits)` for each active element in order.
    pub(crate) fn for_each(&self, leaf: &Leaf, dtype: DataType, mut visit: impl FnMut(u16, u32)) {
        let value = |rank| dtype.read(self.values, rank).unwrap_or(0);
        match self.form {
            Form::Offsets => {
                let positions = self.index.as_chunks::<2>().0.iter().take(self.active);
                for (rank, position) in positions.enumerate() {
                    visit(u16::from_le_bytes(*position), value(rank));
                }
            }
            Form::Mask => {
                let words = self.index.get(16..).unwrap_or(&[]).as_chunks::<8>().0;
                let mut rank = 0;
                for (word, first) in words.iter().zip((0u16..).step_by(64)) {
                    let mut left = u64::from_le_bytes(*word);
                    while left != 0 {
                        let bit = low_u16(u64::from(left.trailing_zeros()));
                        visit(first + bit, value(rank));
                        rank += 1;
                        left &= left - 1;
                    }
                }
            }
            Form::Runs => {
                let mut rank = 0;
                for (first, last) in self.runs() {
                    for position in first..=last {
                        visit(position, value(rank));
                        rank += 1;
                    }
                }
            }
            Form::Dense => {
                for index in 0..leaf.area() {
                    let bits = value(index);
                    if bits != 0 {
                        visit(leaf.position_of(index), bits);
                    }
                }
            }
        }
    }

    /// The packed values when they are all of the leaf, row by row.
    pub(crate) fn dense_values(&self) -> Option<&'a [u8]> {
        (self.form == Form::Dense).then_some(self.values)
    }

    /// Whether positions rise, stay inside the leaf and are as many as the directory says.
    pub(crate) fn check(&self, leaf: &Leaf, dtype: DataType) -> Decoded<()> {
        let (mut count, mut last, mut good) = (0usize, None, true);
        self.for_each(leaf, dtype, |position, bits| {
            good &= bits != 0 && last < Some(position) && leaf.index_of(position).is_some();
            last = Some(position);
            count += 1;
        });
        if good && count == self.active {
            Ok(())
        } else {
            Err("a leaf's elements are out of order or outside it")
        }
    }
}
