//! Matrices to bytes.

use super::grid::NvdbMatrix;
use super::layout::{
    BLIND, FILE_HEADER, FILE_METADATA, FLOAT, GRID_DATA, LEAF, LEAF_MASK, LEAF_STATISTICS, LEAF_VALUES,
    LOWER, LOWER_CHILD_MASK, LOWER_STATISTICS, LOWER_TABLE, MAGIC, MANIFEST_NAME, NAME, NAME_BYTES, ROOT,
    TILE, TREE_DATA, UPPER, UPPER_CHILD_MASK, UPPER_STATISTICS, UPPER_TABLE, VERSION, coordinates, crc32,
};
use super::manifest;
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::integer::{field_u32, low_u8, low_u16, to_usize};

/// Leaves of a lower node, and lower nodes of an upper node along x.
const LEAVES_OF_LOWER: u64 = 4096;
const LOWERS_OF_UPPER: u64 = 32;
/// Lower nodes that fit along x in 31 bits of coordinate.
const MAX_LOWERS: u64 = 1 << 24;

/// Active voxels of one leaf.
struct Leaf {
    number: u64,
    voxels: Vec<(u16, f32)>,
}

/// The extent and the range of values of a node.
#[derive(Clone, Copy)]
struct Extent {
    low: [u32; 3],
    high: [u32; 3],
    min: f32,
    max: f32,
}

impl Extent {
    const EMPTY: Self = Self { low: [u32::MAX; 3], high: [0; 3], min: f32::MAX, max: f32::MIN };

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.low.iter_mut().zip(other.low) {
            *mine = (*mine).min(theirs);
        }
        for (mine, theirs) in self.high.iter_mut().zip(other.high) {
            *mine = (*mine).max(theirs);
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn around(leaf: &Leaf) -> Self {
        leaf.voxels.iter().fold(Self::EMPTY, |mut extent, (voxel, value)| {
            let at = coordinates(leaf.number, *voxel);
            extent.add(&Self { low: at, high: at, min: *value, max: *value });
            extent
        })
    }
}

/// Where the parts of the grid begin.
struct Offsets {
    root: usize,
    upper: usize,
    lower: usize,
    leaf: usize,
    end: usize,
}

/// Bytes that are written at offsets inside their length.
struct Buffer(Vec<u8>);

impl Buffer {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(target) = self.0.get_mut(offset..offset + bytes.len()) {
            target.copy_from_slice(bytes);
        }
    }

    fn u32(&mut self, offset: usize, n: u32) {
        self.put(offset, &n.to_le_bytes());
    }

    fn u64(&mut self, offset: usize, n: u64) {
        self.put(offset, &n.to_le_bytes());
    }

    fn f32(&mut self, offset: usize, n: f32) {
        self.u32(offset, n.to_bits());
    }

    fn f64(&mut self, offset: usize, n: f64) {
        self.u64(offset, n.to_bits());
    }

    fn set_bit(&mut self, mask: usize, bit: u64) {
        let at = mask + to_usize(bit / 8);
        if let Some(byte) = self.0.get_mut(at) {
            *byte |= 1 << (bit % 8);
        }
    }

    fn range(&self, from: usize, to: usize) -> &[u8] {
        self.0.get(from..to).unwrap_or(&[])
    }

    fn bounding_box(&mut self, offset: usize, extent: &Extent) {
        for (axis, (low, high)) in extent.low.iter().zip(extent.high).enumerate() {
            self.u32(offset + 4 * axis, *low);
            self.u32(offset + 12 + 4 * axis, high);
        }
    }

    fn statistics(&mut self, offset: usize, extent: &Extent) {
        self.f32(offset, extent.min);
        self.f32(offset + 4, extent.max);
    }
}

/// The bytes of a whole file; an error where the matrices have no active element.
pub(super) fn encode(name: &str, matrices: &[NvdbMatrix]) -> Result<Vec<u8>> {
    let leaves = leaves_of(matrices)?;
    if leaves.is_empty() {
        return Err(Error::argument(
            "version",
            "it has no active elements, and a grid without voxels has no extent",
        ));
    }
    let grid = encode_grid(name, &leaves, matrices)?;
    let mut file = encode_file_header(name, &grid)?;
    file.extend_from_slice(&grid.0);
    Ok(file)
}

fn leaves_of(matrices: &[NvdbMatrix]) -> Result<Vec<Leaf>> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut first = 0u64;
    for matrix in matrices {
        let cols = matrix.shape.cols as u64;
        for (row, col, value) in &matrix.elements {
            let element = first + u64::from(*row) * cols + u64::from(*col);
            let (number, voxel) = (element >> 9, low_u16(element & 511));
            match leaves.last_mut() {
                Some(leaf) if leaf.number == number => leaf.voxels.push((voxel, *value)),
                _ => leaves.push(Leaf { number, voxels: vec![(voxel, *value)] }),
            }
        }
        first = (first + matrix.shape.elements()? as u64).next_multiple_of(512);
    }
    if first >> 9 > MAX_LOWERS * LEAVES_OF_LOWER {
        return Err(Error::argument(
            "version",
            "it has more elements than the coordinates of a grid can number",
        ));
    }
    Ok(leaves)
}

fn encode_grid(name: &str, leaves: &[Leaf], matrices: &[NvdbMatrix]) -> Result<Buffer> {
    let lowers: Vec<&[Leaf]> =
        leaves.chunk_by(|a, b| a.number / LEAVES_OF_LOWER == b.number / LEAVES_OF_LOWER).collect();
    let upper_of =
        |leaves: &[Leaf]| leaves.first().map_or(0, |leaf| leaf.number / LEAVES_OF_LOWER / LOWERS_OF_UPPER);
    let uppers: Vec<&[&[Leaf]]> = lowers.chunk_by(|a, b| upper_of(a) == upper_of(b)).collect();
    let root = GRID_DATA + TREE_DATA;
    let upper = root + ROOT + TILE * uppers.len();
    let lower = upper + UPPER * uppers.len();
    let leaf = lower + LOWER * lowers.len();
    let offsets = Offsets { root, upper, lower, leaf, end: leaf + LEAF * leaves.len() };
    let mut buffer = Buffer(vec![0; offsets.end]);
    let total = put_nodes(&mut buffer, &offsets, &uppers);
    put_tree(&mut buffer, &offsets, [leaves.len(), lowers.len(), uppers.len()], leaves)?;
    put_root(&mut buffer, &offsets, uppers.len(), &total)?;
    let crc = crc32c(buffer.range(offsets.upper, offsets.end));
    put_manifest(&mut buffer, &manifest::write(matrices, crc));
    put_grid_data(&mut buffer, &offsets, name, &total);
    let head = crc32(buffer.range(16, offsets.upper));
    buffer.u32(8, head);
    buffer.u32(12, u32::MAX);
    Ok(buffer)
}

fn put_nodes(buffer: &mut Buffer, offsets: &Offsets, uppers: &[&[&[Leaf]]]) -> Extent {
    let (mut lower_at, mut leaf_at, mut total) = (offsets.lower, offsets.leaf, Extent::EMPTY);
    for (upper_index, lowers) in uppers.iter().enumerate() {
        let upper_at = offsets.upper + UPPER * upper_index;
        let mut upper_extent = Extent::EMPTY;
        let first_leaf = lowers.first().and_then(|leaves| leaves.first()).map_or(0, |leaf| leaf.number);
        let tile = offsets.root + ROOT + TILE * upper_index;
        let upper_number = first_leaf / LEAVES_OF_LOWER / LOWERS_OF_UPPER;
        buffer.u64(tile, upper_number << 42);
        buffer.u64(tile + 8, (upper_at - offsets.root) as u64);
        for leaves in *lowers {
            let lower_number = leaves.first().map_or(0, |leaf| leaf.number / LEAVES_OF_LOWER);
            let index = (lower_number % LOWERS_OF_UPPER) << 10;
            buffer.set_bit(upper_at + UPPER_CHILD_MASK, index);
            let entry = upper_at + UPPER_TABLE + 8 * to_usize(index);
            buffer.u64(entry, (lower_at - upper_at) as u64);
            let mut lower_extent = Extent::EMPTY;
            for leaf in *leaves {
                let index = leaf.number % LEAVES_OF_LOWER;
                buffer.set_bit(lower_at + LOWER_CHILD_MASK, index);
                let entry = lower_at + LOWER_TABLE + 8 * to_usize(index);
                buffer.u64(entry, (leaf_at - lower_at) as u64);
                lower_extent.add(&put_leaf(buffer, leaf_at, leaf));
                leaf_at += LEAF;
            }
            buffer.bounding_box(lower_at, &lower_extent);
            buffer.u64(lower_at + 24, 2);
            buffer.statistics(lower_at + LOWER_STATISTICS, &lower_extent);
            upper_extent.add(&lower_extent);
            lower_at += LOWER;
        }
        buffer.bounding_box(upper_at, &upper_extent);
        buffer.u64(upper_at + 24, 2);
        buffer.statistics(upper_at + UPPER_STATISTICS, &upper_extent);
        total.add(&upper_extent);
    }
    total
}

fn put_leaf(buffer: &mut Buffer, at: usize, leaf: &Leaf) -> Extent {
    let extent = Extent::around(leaf);
    for (axis, (low, high)) in extent.low.iter().zip(extent.high).enumerate() {
        buffer.u32(at + 4 * axis, *low);
        // A leaf has 8 voxels to a side.
        buffer.put(at + 12 + axis, &[low_u8(u64::from((high - low) & 7))]);
    }
    buffer.put(at + 15, &[2]);
    for (voxel, value) in &leaf.voxels {
        buffer.set_bit(at + LEAF_MASK, u64::from(*voxel));
        buffer.f32(at + LEAF_VALUES + 4 * usize::from(*voxel), *value);
    }
    buffer.statistics(at + LEAF_STATISTICS, &extent);
    extent
}

fn put_root(buffer: &mut Buffer, offsets: &Offsets, tiles: usize, total: &Extent) -> Result<()> {
    buffer.bounding_box(offsets.root, total);
    buffer.u32(offsets.root + 24, field_u32(tiles, "the number of upper nodes")?);
    buffer.statistics(offsets.root + 32, total);
    Ok(())
}

fn put_tree(buffer: &mut Buffer, offsets: &Offsets, counts: [usize; 3], leaves: &[Leaf]) -> Result<()> {
    for (index, offset) in [offsets.leaf, offsets.lower, offsets.upper, offsets.root].into_iter().enumerate()
    {
        buffer.u64(GRID_DATA + 8 * index, (offset - GRID_DATA) as u64);
    }
    for (index, count) in counts.into_iter().enumerate() {
        buffer.u32(GRID_DATA + 32 + 4 * index, field_u32(count, "the number of nodes of a level")?);
    }
    let voxels: usize = leaves.iter().map(|leaf| leaf.voxels.len()).sum();
    buffer.u64(GRID_DATA + 56, voxels as u64);
    Ok(())
}

/// Appends the channel that lists the matrices.
fn put_manifest(buffer: &mut Buffer, manifest: &str) {
    let at = buffer.0.len();
    buffer.0.resize((at + BLIND + manifest.len()).next_multiple_of(32), 0);
    buffer.u64(at, BLIND as u64);
    buffer.u64(at + 8, manifest.len() as u64);
    buffer.put(at + 32, MANIFEST_NAME);
    buffer.put(at + BLIND, manifest.as_bytes());
}

/// A name that fits into the grid with a zero behind it.
fn short(name: &str) -> &str {
    name.get(..name.len().min(NAME_BYTES - 1)).unwrap_or("adapter")
}

fn put_grid_data(buffer: &mut Buffer, offsets: &Offsets, name: &str, total: &Extent) {
    let size = buffer.0.len() as u64;
    buffer.put(0, &MAGIC);
    buffer.u32(16, VERSION);
    // Flags: has a bounding box, has a range of values, is breadth-first.
    buffer.u32(20, 2 | 4 | 32);
    buffer.u32(28, 1);
    buffer.u64(32, size);
    let name = short(name);
    buffer.put(NAME, name.as_bytes());
    for (axis, (low, high)) in total.low.iter().zip(total.high).enumerate() {
        buffer.f32(296 + 16 * axis, 1.0);
        buffer.f32(332 + 16 * axis, 1.0);
        buffer.f64(384 + 32 * axis, 1.0);
        buffer.f64(456 + 32 * axis, 1.0);
        buffer.f64(560 + 8 * axis, f64::from(*low));
        buffer.f64(584 + 8 * axis, f64::from(high) + 1.0);
        buffer.f64(608 + 8 * axis, 1.0);
    }
    buffer.u32(636, FLOAT);
    buffer.u64(640, offsets.end as u64);
    buffer.u32(648, 1);
}

fn encode_file_header(name: &str, grid: &Buffer) -> Result<Vec<u8>> {
    let name = short(name);
    let mut file = Buffer(vec![0; FILE_HEADER + FILE_METADATA]);
    file.put(0, &MAGIC);
    file.u32(8, VERSION);
    file.put(12, &[1]);
    let at = FILE_HEADER;
    file.u64(at, grid.0.len() as u64);
    file.u64(at + 8, grid.0.len() as u64);
    let key = name.bytes().fold(0u64, |key, byte| {
        let overflow = key >> 56;
        key.wrapping_mul(67).wrapping_add(u64::from(byte) + overflow)
    });
    file.u64(at + 16, key);
    let root = GRID_DATA + TREE_DATA;
    // Copies of what the grid says of itself: voxels, type, class, boxes, voxel size, node counts, version.
    for (to, from, len) in [
        (24, GRID_DATA + 56, 8),
        (32, 636, 4),
        (36, 632, 4),
        (40, 560, 48),
        (88, root, 24),
        (112, 608, 24),
        (140, GRID_DATA + 32, 12),
        (156, GRID_DATA + 44, 12),
        (170, 648, 2),
        (172, 16, 4),
    ] {
        file.put(at + to, grid.range(from, from + len));
    }
    file.u32(at + 136, field_u32(name.len() + 1, "the length of the grid's name")?);
    file.u32(at + 152, 1);
    let mut bytes = file.0;
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    Ok(bytes)
}
