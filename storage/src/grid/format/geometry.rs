//! How a matrix is cut into leaves and chunks.

use std::ops::Range;

use crate::error::Result;
use crate::grid::path::Shape;
use crate::integer::{field_u32, low_u16, low_u32, to_usize};

/// Elements of a leaf.
pub(crate) const LEAF_ELEMENTS: u32 = 4096;
/// Leaves of a chunk.
const LEAVES: usize = 16;
/// Sides of a leaf in a matrix that is at least this wide and high.
const SIDE: u32 = 64;

/// The cut of one matrix. Leaves are numbered row by row over the matrix; a chunk is 16 leaves in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    /// log2 of the rows of a leaf.
    row_bits: u32,
    /// log2 of the columns of a leaf.
    col_bits: u32,
    /// Leaves beside each other.
    across: u32,
    leaves: u64,
}

/// Where an element lies in its matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) chunk: u64,
    /// Leaf of the chunk, 0..16.
    pub(crate) leaf: u16,
    /// Position in the leaf, 0..4096: row × leaf columns + column.
    pub(crate) position: u16,
}

impl Location {
    /// One more than the largest order that a sort key holds.
    pub(crate) const ORDERS: usize = 1 << 24;

    /// A number that sorts by location, then by `order`.
    pub(crate) fn sort_key(self, order: u32) -> u64 {
        // The largest matrix has fewer than 2^24 chunks.
        let in_chunk = u64::from(self.leaf) << 12 | u64::from(self.position);
        self.chunk << 40 | in_chunk << 24 | u64::from(order)
    }

    /// The location and the order that a [`Self::sort_key`] was made of.
    pub(crate) fn from_sort_key(key: u64) -> (Self, u32) {
        let [o0, o1, o2, p0, p1, ..] = key.to_le_bytes();
        let in_chunk = u16::from_le_bytes([p0, p1]);
        let location = Self { chunk: key >> 40, leaf: in_chunk >> 12, position: in_chunk & 0xfff };
        (location, u32::from_le_bytes([o0, o1, o2, 0]))
    }
}

/// A leaf's part of the matrix; smaller than 4096 elements at the matrix's edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) row: u32,
    pub(crate) col: u32,
    pub(crate) height: u32,
    pub(crate) width: u32,
    /// log2 of the distance between rows in positions.
    pub(crate) pitch_bits: u32,
}

impl Geometry {
    /// The cut of a matrix of at least one element: narrow matrices have leaves as wide as they are, low ones
    /// leaves as high as they are (rounded up to a power of two), the others 64 × 64.
    pub(crate) fn new(rows: u32, cols: u32) -> Self {
        let (rows, cols) = (rows.max(1), cols.max(1));
        let (row_bits, col_bits) = if cols < SIDE {
            let col_bits = cols.next_power_of_two().trailing_zeros();
            (12 - col_bits, col_bits)
        } else if rows < SIDE {
            let row_bits = rows.next_power_of_two().trailing_zeros();
            (row_bits, 12 - row_bits)
        } else {
            (6, 6)
        };
        let across = cols.div_ceil(1 << col_bits);
        let leaves = u64::from(rows.div_ceil(1 << row_bits)) * u64::from(across);
        Self { rows, cols, row_bits, col_bits, across, leaves }
    }

    /// The cut of a matrix of this shape, which is refused when it is empty or too large.
    pub(crate) fn of(shape: Shape) -> Result<Self> {
        shape.elements()?;
        let rows = field_u32(shape.rows, "the number of rows")?;
        Ok(Self::new(rows, field_u32(shape.cols, "the number of columns")?))
    }

    pub(crate) fn chunks(&self) -> u64 {
        self.leaves.div_ceil(LEAVES as u64)
    }

    /// Leaves of a chunk: 16, fewer in the last.
    pub(crate) fn leaves_of(&self, chunk: u64) -> usize {
        let left = self.leaves.saturating_sub(chunk.saturating_mul(LEAVES as u64));
        to_usize(left).min(LEAVES)
    }

    #[inline]
    pub(crate) fn locate(&self, row: u32, col: u32) -> Location {
        let leaf = u64::from(row >> self.row_bits) * u64::from(self.across) + u64::from(col >> self.col_bits);
        let row_in = row & ((1 << self.row_bits) - 1);
        let col_in = col & ((1 << self.col_bits) - 1);
        Location {
            chunk: leaf / LEAVES as u64,
            leaf: low_u16(leaf % LEAVES as u64),
            // Below 2^12: the bits of a row and of a column in their leaf are 12 together.
            position: low_u16(u64::from(row_in << self.col_bits | col_in)),
        }
    }

    /// The part of the matrix that a leaf of a chunk covers; empty when there is no such leaf.
    #[inline]
    pub(crate) fn leaf(&self, chunk: u64, leaf: usize) -> Leaf {
        let index = chunk.saturating_mul(LEAVES as u64).saturating_add(leaf as u64);
        // Most leaves are of narrow matrices, where a division would be most of what a look at an element costs.
        let (down, right) = match u64::from(self.across) {
            1 => (index, 0),
            across => (index / across, index % across),
        };
        // A leaf that there is not begins at the edge.
        let row = low_u32(down.saturating_mul(1 << self.row_bits).min(u64::from(self.rows)));
        let col = low_u32(right.saturating_mul(1 << self.col_bits).min(u64::from(self.cols)));
        Leaf {
            row,
            col,
            height: (self.rows - row).min(1 << self.row_bits),
            width: (self.cols - col).min(1 << self.col_bits),
            pitch_bits: self.col_bits,
        }
    }

    /// Chunks that can hold elements of these rows.
    pub(crate) fn chunks_of_rows(&self, rows: &Range<usize>) -> Range<u64> {
        let first = (rows.start.min(self.rows as usize) as u64) >> self.row_bits;
        let last = (rows.end.min(self.rows as usize) as u64).div_ceil(1 << self.row_bits);
        if rows.is_empty() || last <= first {
            return 0..0;
        }
        let per = LEAVES as u64;
        let across = u64::from(self.across);
        first * across / per..(last * across).div_ceil(per)
    }

    /// Whether a chunk can hold elements of these rows and columns.
    pub(crate) fn chunk_overlaps(&self, chunk: u64, rows: &Range<usize>, cols: &Range<usize>) -> bool {
        !rows.is_empty()
            && !cols.is_empty()
            && (0..self.leaves_of(chunk)).any(|leaf| self.leaf(chunk, leaf).overlaps(rows, cols))
    }
}

impl Leaf {
    pub(crate) fn area(&self) -> usize {
        (self.height as usize) * (self.width as usize)
    }

    pub(crate) fn overlaps(&self, rows: &Range<usize>, cols: &Range<usize>) -> bool {
        let (row, col) = (self.row as usize, self.col as usize);
        row < rows.end
            && rows.start < row + self.height as usize
            && col < cols.end
            && cols.start < col + self.width as usize
    }

    /// Row and column in the matrix of a position. Those of a position past the edges are no element's.
    pub(crate) fn element(&self, position: u16) -> (u32, u32) {
        let position = u32::from(position);
        (
            self.row.saturating_add(position >> self.pitch_bits),
            self.col.saturating_add(position & ((1 << self.pitch_bits) - 1)),
        )
    }

    /// The index of a position among the elements that the leaf covers, row by row; `None` past the edges.
    pub(crate) fn index_of(&self, position: u16) -> Option<usize> {
        let position = u32::from(position);
        let (row, col) = (position >> self.pitch_bits, position & ((1 << self.pitch_bits) - 1));
        (row < self.height && col < self.width).then_some(row as usize * self.width as usize + col as usize)
    }

    /// The position of the element at this index, which is below [`Self::area`]; the inverse of [`Self::index_of`].
    pub(crate) fn position_of(&self, index: usize) -> u16 {
        let width = self.width.max(1) as usize;
        low_u16(((index / width) << self.pitch_bits | (index % width)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::path::MAX_ELEMENTS;

    #[test]
    fn the_sort_key_of_the_last_location_of_the_largest_matrices_comes_back() {
        for rows in [1u32, 33, 64, 65, 1 << 18, u32::MAX] {
            let cols = low_u32((MAX_ELEMENTS / u64::from(rows)).min(u64::from(u32::MAX)));
            for (rows, cols) in [(rows, cols), (cols, rows)] {
                let location = Geometry::new(rows, cols).locate(rows - 1, cols - 1);
                let order = low_u32(Location::ORDERS as u64 - 1);
                assert_eq!(Location::from_sort_key(location.sort_key(order)), (location, order));
                assert!(location.sort_key(order) < Geometry::new(rows, cols).chunks() << 40);
            }
        }
    }
}
