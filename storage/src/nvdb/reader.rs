//! Bytes to voxels. Every offset and every count of the file is checked before it is followed.

use super::grid::{NvdbGrid, NvdbMatrix};
use super::layout::{
    BLIND, FILE_HEADER, FILE_METADATA, FLOAT, GRID_DATA, LEAF, LEAF_MASK, LEAF_VALUES, LOWER,
    LOWER_CHILD_MASK, LOWER_TABLE, MAGIC, MANIFEST_NAME, NAME, NAME_BYTES, ROOT, TILE, TREE_DATA, UPPER,
    UPPER_CHILD_MASK, UPPER_TABLE, VALUE_MASK, crc32, element,
};
use super::manifest::{self, ListError};
use crate::checksum::crc32c;
use crate::integer::{low_u32, to_usize};

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Problem {
    /// What is wrong with it, and where.
    Damaged { offset: usize, reason: &'static str },
    /// Its list names a matrix of this type of numbers, which this build does not store.
    UnsupportedType(&'static str),
}

type Checked<T> = Result<T, Problem>;

/// A part of the file; offsets are its own.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Part<'a> {
    fn problem<T>(&self, offset: usize, reason: &'static str) -> Checked<T> {
        Err(Problem::Damaged { offset: self.start.saturating_add(offset), reason })
    }

    fn slice(&self, offset: usize, len: usize) -> Checked<&'a [u8]> {
        match offset.checked_add(len).and_then(|end| self.bytes.get(offset..end)) {
            Some(bytes) => Ok(bytes),
            None => self.problem(offset, "it ends too early"),
        }
    }

    fn array<const N: usize>(&self, offset: usize) -> Checked<[u8; N]> {
        let bytes = self.slice(offset, N)?;
        bytes.first_chunk().copied().map_or_else(|| self.problem(offset, "it ends too early"), Ok)
    }

    fn u32(&self, offset: usize) -> Checked<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    fn u64(&self, offset: usize) -> Checked<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// A number that is a length or an offset inside the file.
    fn size(&self, offset: usize) -> Checked<usize> {
        match usize::try_from(self.u64(offset)?) {
            Ok(size) if size <= self.bytes.len() => Ok(size),
            _ => self.problem(offset, "a length or an offset leads out of the file"),
        }
    }

    /// The set bits of a mask.
    fn bits(&self, offset: usize, bytes: usize) -> Checked<impl Iterator<Item = u32> + 'a> {
        let mask = self.slice(offset, bytes)?;
        Ok(mask.iter().zip((0u32..).step_by(8)).flat_map(|(byte, first)| {
            (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| first + bit)
        }))
    }
}

/// The first grid of a file.
pub(super) fn decode(bytes: &[u8]) -> Checked<NvdbGrid> {
    let file = Part { bytes, start: 0 };
    if file.slice(0, 8)? != MAGIC {
        return file.problem(0, "it is not a NanoVDB file of version 32.0 to 32.6 (magic NanoVDB0)");
    }
    let metadata = FILE_HEADER;
    if file.slice(metadata + 168, 2)? != [0, 0] || file.slice(14, 2)? != [0, 0] {
        return file.problem(14, "it is compressed; write it without a codec");
    }
    let name_len = file.u32(metadata + 136)? as usize;
    let name = file.slice(metadata + FILE_METADATA, name_len)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or(name);
    let Ok(name) = String::from_utf8(name.to_vec()) else {
        return file.problem(metadata + FILE_METADATA, "the grid's name is not UTF-8");
    };
    let start = metadata + FILE_METADATA + name_len;
    let len = file.size(metadata)?;
    let grid = Part { bytes: file.slice(start, len)?, start };
    let (voxels, nodes_start) = decode_grid(&grid)?;
    let matrices = decode_manifest(&grid, nodes_start)?;
    if matrices.is_some() {
        check_export(&file, &grid, &name)?;
    }
    let matrices = matrices.map(|matrices| assign(&grid, matrices, &voxels)).transpose()?;
    Ok(NvdbGrid { name, voxels, matrices })
}

/// Requires of a file that was exported here what others may lack: a checksum of the grid's head, and there the same
/// name as in the file's header, which has no checksum.
fn check_export(file: &Part<'_>, grid: &Part<'_>, name: &str) -> Checked<()> {
    if grid.u32(8)? == u32::MAX {
        return grid.problem(8, "the grid's checksum is missing");
    }
    let own_name = grid.slice(NAME, NAME_BYTES)?.split(|byte| *byte == 0).next();
    if own_name == Some(name.as_bytes()) {
        return Ok(());
    }
    file.problem(FILE_HEADER + FILE_METADATA, "its name is not the grid's")
}

type Voxels = Vec<([i32; 3], f32)>;

fn decode_grid(grid: &Part<'_>) -> Checked<(Voxels, usize)> {
    if grid.slice(0, 8)? != MAGIC {
        return grid.problem(0, "the grid does not begin as one");
    }
    if grid.u32(636)? != FLOAT {
        return grid.problem(636, "the grid's values are not floats");
    }
    let root = GRID_DATA.saturating_add(grid.size(GRID_DATA + 24)?);
    let tiles = grid.u32(root + 24)? as usize;
    let nodes_start = root.saturating_add(ROOT).saturating_add(tiles.saturating_mul(TILE));
    let (head, tail) = (grid.u32(8)?, grid.u32(12)?);
    let summed = grid.slice(16, nodes_start.saturating_sub(16))?;
    if (head, tail) != (u32::MAX, u32::MAX) && head != crc32(summed) {
        return grid.problem(8, "the grid's checksum does not match");
    }
    let leaf_count = grid.u32(GRID_DATA + 32)? as usize;
    if leaf_count > grid.bytes.len() / LEAF || root < GRID_DATA + TREE_DATA {
        return grid.problem(GRID_DATA + 32, "the grid claims more leaves than it can hold");
    }
    let mut walk = Walk {
        grid,
        uppers_left: grid.bytes.len() / UPPER,
        lowers_left: grid.bytes.len() / LOWER,
        leaves_left: leaf_count,
        voxels: Vec::new(),
    };
    for tile in 0..tiles {
        walk.tile(root, root + ROOT + TILE * tile)?;
    }
    Ok((walk.voxels, nodes_start))
}

/// A walk over the tree. A hostile file may refer to a node many times, so it visits at most as many as the grid can
/// hold.
struct Walk<'a, 'b> {
    grid: &'a Part<'b>,
    uppers_left: usize,
    lowers_left: usize,
    leaves_left: usize,
    voxels: Voxels,
}

impl Walk<'_, '_> {
    fn tile(&mut self, root: usize, tile: usize) -> Checked<()> {
        let grid = self.grid;
        let child = grid.u64(tile + 8)?;
        if child == 0 {
            // A tile without a node below: one value for 4096³ voxels.
            return if grid.u32(tile + 16)? == 0 {
                Ok(())
            } else {
                grid.problem(tile, "active tiles are not read")
            };
        }
        let key = grid.u64(tile)?;
        let axis = |shift: u32| i32::from_le_bytes(high_bits(key >> shift).to_le_bytes());
        let origin = [axis(42), axis(21), axis(0)];
        let upper = self.child(root, child, UPPER)?;
        let Some(left) = self.uppers_left.checked_sub(1) else {
            return grid.problem(tile, "the tree has more upper nodes than the grid can hold");
        };
        self.uppers_left = left;
        self.no_active_tiles(upper, 4096)?;
        for index in grid.bits(upper + UPPER_CHILD_MASK, 4096)? {
            let entry = grid.u64(upper + UPPER_TABLE + 8 * index as usize)?;
            let lower = self.child(upper, entry, LOWER)?;
            self.lower(lower, offset(origin, [index >> 10, index >> 5 & 31, index & 31], 7))?;
        }
        Ok(())
    }

    fn lower(&mut self, lower: usize, origin: [i32; 3]) -> Checked<()> {
        let grid = self.grid;
        let Some(left) = self.lowers_left.checked_sub(1) else {
            return grid.problem(lower, "the tree has more lower nodes than the grid can hold");
        };
        self.lowers_left = left;
        self.no_active_tiles(lower, 512)?;
        for index in grid.bits(lower + LOWER_CHILD_MASK, 512)? {
            let entry = grid.u64(lower + LOWER_TABLE + 8 * index as usize)?;
            let leaf = self.child(lower, entry, LEAF)?;
            self.leaf(leaf, offset(origin, [index >> 8, index >> 4 & 15, index & 15], 3))?;
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: usize, origin: [i32; 3]) -> Checked<()> {
        let grid = self.grid;
        let Some(left) = self.leaves_left.checked_sub(1) else {
            return grid.problem(leaf, "the tree has more leaves than the grid claims");
        };
        self.leaves_left = left;
        for voxel in grid.bits(leaf + LEAF_MASK, 64)? {
            let value = f32::from_bits(grid.u32(leaf + LEAF_VALUES + 4 * voxel as usize)?);
            self.voxels.push((offset(origin, [voxel >> 6, voxel >> 3 & 7, voxel & 7], 0), value));
        }
        Ok(())
    }

    /// The offset of a child, given relative to its parent.
    fn child(&self, parent: usize, relative: u64, len: usize) -> Checked<usize> {
        let child = parent.checked_add(to_usize(relative));
        match child {
            Some(child) if child.checked_add(len).is_some_and(|end| end <= self.grid.bytes.len()) => {
                Ok(child)
            }
            _ => self.grid.problem(parent, "a node's child lies outside the grid"),
        }
    }

    fn no_active_tiles(&self, node: usize, mask_bytes: usize) -> Checked<()> {
        if self.grid.slice(node + VALUE_MASK, mask_bytes)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        self.grid.problem(node, "active tiles are not read")
    }
}

fn high_bits(part: u64) -> u32 {
    low_u32(part & 0xf_ffff) << 12
}

fn offset(origin: [i32; 3], steps: [u32; 3], bits: u32) -> [i32; 3] {
    let mut at = origin;
    for (axis, step) in at.iter_mut().zip(steps) {
        *axis = axis.wrapping_add_unsigned(step << bits);
    }
    at
}

fn decode_manifest(grid: &Part<'_>, nodes_start: usize) -> Checked<Option<Vec<NvdbMatrix>>> {
    let count = grid.u32(648)?;
    let channels = grid.size(640)?;
    for channel in 0..count.min(64) as usize {
        let at = channels + BLIND * channel;
        let name = grid.slice(at + 32, 256)?;
        if name.split(|byte| *byte == 0).next() != Some(MANIFEST_NAME) {
            continue;
        }
        let (relative, len) = (grid.size(at)?, grid.size(at + 8)?);
        let text = grid.slice(at.saturating_add(relative), len)?;
        let nodes = grid.slice(nodes_start, channels.saturating_sub(nodes_start))?;
        let read = std::str::from_utf8(text).map_err(|_| ListError::Malformed);
        return match read.and_then(|text| manifest::read(text, crc32c(nodes))) {
            Ok(matrices) => Ok(Some(matrices)),
            Err(ListError::UnsupportedType(found)) => Err(Problem::UnsupportedType(found)),
            Err(ListError::Malformed) => {
                grid.problem(at, "the checksum of its nodes or of its list of matrices does not match")
            }
        };
    }
    Ok(None)
}

/// Gives the voxels to the matrices whose elements they are.
fn assign(
    grid: &Part<'_>,
    mut matrices: Vec<NvdbMatrix>,
    voxels: &[([i32; 3], f32)],
) -> Checked<Vec<NvdbMatrix>> {
    let mut starts = Vec::with_capacity(matrices.len());
    let mut first = 0u64;
    for matrix in &matrices {
        starts.push(first);
        let elements = matrix.shape.elements().map_or(0, |elements| elements as u64);
        first = first.saturating_add(elements).next_multiple_of(512);
    }
    for (at, value) in voxels {
        let Some(element) = element(*at) else {
            return grid.problem(0, "a voxel is where no matrix has an element");
        };
        let index = starts.partition_point(|start| *start <= element).saturating_sub(1);
        let (Some(matrix), Some(start)) = (matrices.get_mut(index), starts.get(index)) else {
            return grid.problem(0, "a voxel is where no matrix has an element");
        };
        let (inside, cols) = (element - start, matrix.shape.cols.max(1) as u64);
        let (Ok(row), Ok(col)) = (u32::try_from(inside / cols), u32::try_from(inside % cols)) else {
            return grid.problem(0, "a voxel is where no matrix has an element");
        };
        if row as usize >= matrix.shape.rows {
            return grid.problem(0, "a voxel is where no matrix has an element");
        }
        matrix.elements.push((row, col, *value));
    }
    Ok(matrices)
}
