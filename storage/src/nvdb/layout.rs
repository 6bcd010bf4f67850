//! Sizes and offsets of version 32.4.2, as `NanoVDB.h` of that version lays them out.

use crate::integer::low_u32;

/// The first eight bytes of a file and of a grid.
pub(super) const MAGIC: [u8; 8] = *b"NanoVDB0";
/// 32.4.2, packed as the library does.
pub(super) const VERSION: u32 = 32 << 21 | 4 << 10 | 2;
pub(super) const FILE_HEADER: usize = 16;
pub(super) const FILE_METADATA: usize = 176;
/// `GridData`; `TreeData` follows.
pub(super) const GRID_DATA: usize = 672;
/// Its name, padded with zeros.
pub(super) const NAME: usize = 40;
pub(super) const NAME_BYTES: usize = 256;
pub(super) const TREE_DATA: usize = 64;
/// `RootData`; its tiles follow.
pub(super) const ROOT: usize = 64;
pub(super) const TILE: usize = 32;
pub(super) const UPPER: usize = 270_400;
pub(super) const UPPER_CHILD_MASK: usize = 4128;
pub(super) const UPPER_STATISTICS: usize = 8224;
pub(super) const UPPER_TABLE: usize = 8256;
pub(super) const LOWER: usize = 33_856;
pub(super) const LOWER_CHILD_MASK: usize = 544;
pub(super) const LOWER_STATISTICS: usize = 1056;
pub(super) const LOWER_TABLE: usize = 1088;
/// The value mask of both kinds of inner node.
pub(super) const VALUE_MASK: usize = 32;
pub(super) const LEAF: usize = 2144;
pub(super) const LEAF_MASK: usize = 16;
pub(super) const LEAF_STATISTICS: usize = 80;
pub(super) const LEAF_VALUES: usize = 96;
/// `GridBlindMetaData`.
pub(super) const BLIND: usize = 288;
/// The channel that lists the matrices.
pub(super) const MANIFEST_NAME: &[u8] = b"hyprstream.matrices";
/// `GridType::Float`.
pub(super) const FLOAT: u32 = 1;

/// The library's CRC-32 (polynomial 0xEDB88320).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Coordinates of a voxel of a leaf, both as this crate numbers them.
pub(super) fn coordinates(leaf: u64, voxel: u16) -> [u32; 3] {
    let [low, high] = [leaf & 4095, leaf >> 12];
    // The writer refuses more leaves than 31 bits of a coordinate can number.
    let part = low_u32;
    let voxel = u64::from(voxel);
    [
        part((high * 16 + (low >> 8)) * 8 + (voxel >> 6)),
        part((low >> 4 & 15) * 8 + (voxel >> 3 & 7)),
        part((low & 15) * 8 + (voxel & 7)),
    ]
}

/// The element at coordinates; the inverse of [`coordinates`]. `None` where this crate puts no element.
pub(super) fn element([x, y, z]: [i32; 3]) -> Option<u64> {
    let [x, y, z] = [u64::try_from(x).ok()?, u64::try_from(y).ok()?, u64::try_from(z).ok()?];
    if y >= 128 || z >= 128 {
        return None;
    }
    let leaf = (x >> 7) << 12 | (x >> 3 & 15) << 8 | (y >> 3) << 4 | z >> 3;
    Some(leaf << 9 | (x & 7) << 6 | (y & 7) << 3 | z & 7)
}
