//! How a matrix is cut into leaves and chunks.

use std::ops::Range;

use crate::grid::path::Shape;

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

/// Where an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) chunk: u64,
    /// Leaf of the chunk, 0..16.
    pub(crate) leaf: u16,
    /// Position in the leaf, 0..4096: row × leaf columns + column.
    pub(crate) position: u16,
}

impl Place {
    /// One more than the largest order that a sort key holds.
    pub(crate) const ORDERS: usize = 1 << 24;

    /// A number that orders by place, then by `order`. The largest matrix has fewer than 2^24 chunks.
    pub(crate) fn sort_key(self, order: u32) -> u64 {
        let in_chunk = u64::from(self.leaf) << 12 | u64::from(self.position);
        self.chunk << 40 | in_chunk << 24 | u64::from(order)
    }

    /// What [`Self::sort_key`] was made of.
    pub(crate) fn of_sort_key(key: u64) -> (Self, u32) {
        let [o0, o1, o2, p0, p1, ..] = key.to_le_bytes();
        let in_chunk = u16::from_le_bytes([p0, p1]);
        let place = Self { chunk: key >> 40, leaf: in_chunk >> 12, position: in_chunk & 0xfff };
        (place, u32::from_le_bytes([o0, o1, o2, 0]))
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

    pub(crate) fn of(shape: Shape) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self::new(clamp(shape.rows), clamp(shape.cols))
    }

    pub(crate) fn chunks(&self) -> u64 {
        self.leaves.div_ceil(LEAVES as u64)
    }

    /// Leaves of a chunk: 16, fewer in the last.
    pub(crate) fn leaves_of(&self, chunk: u64) -> usize {
        let left = self.leaves.saturating_sub(chunk.saturating_mul(LEAVES as u64));
        usize::try_from(left).map_or(LEAVES, |left| left.min(LEAVES))
    }

    #[inline]
    pub(crate) fn place(&self, row: u32, col: u32) -> Place {
        let leaf = u64::from(row >> self.row_bits) * u64::from(self.across) + u64::from(col >> self.col_bits);
        let row_in = row & ((1 << self.row_bits) - 1);
        let col_in = col & ((1 << self.col_bits) - 1);
        Place {
            chunk: leaf / LEAVES as u64,
            leaf: u16::try_from(leaf % LEAVES as u64).unwrap_or(0),
            position: u16::try_from(row_in << self.col_bits | col_in).unwrap_or(0),
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
        let down = u32::try_from(down).unwrap_or(u32::MAX);
        let right = u32::try_from(right).unwrap_or(u32::MAX);
        let row = down.checked_mul(1 << self.row_bits).unwrap_or(self.rows).min(self.rows);
        let col = right.checked_mul(1 << self.col_bits).unwrap_or(self.cols).min(self.cols);
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

    /// The position of the element at this index; the inverse of [`Self::index_of`].
    pub(crate) fn position_of(&self, index: usize) -> u16 {
        let width = self.width.max(1) as usize;
        u16::try_from((index / width) << self.pitch_bits | (index % width)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::path::MAX_ELEMENTS;

    #[test]
    fn the_sort_key_of_the_last_place_of_the_largest_matrices_comes_back() {
        for rows in [1u32, 33, 64, 65, 1 << 18, u32::MAX] {
            let cols = u32::try_from(MAX_ELEMENTS / u64::from(rows)).unwrap_or(u32::MAX);
            for (rows, cols) in [(rows, cols), (cols, rows)] {
                let place = Geometry::new(rows, cols).place(rows - 1, cols - 1);
                let order = u32::try_from(Place::ORDERS - 1).unwrap_or(0);
                assert_eq!(Place::of_sort_key(place.sort_key(order)), (place, order));
                assert!(place.sort_key(order) < Geometry::new(rows, cols).chunks() << 40);
            }
        }
    }
}
