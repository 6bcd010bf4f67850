//! Chunks: 65,536 elements in 16 leaves of 4096, each leaf in the smallest of four encodings.

mod cold;
mod encode;
mod gaps;
mod geometry;
mod merge;
mod numbers;
mod patch;
mod streams;
mod view;

pub use cold::Compression;
pub(crate) use cold::{CODEC_LZ4, CODEC_ZSTD, compress, decompress};
pub(crate) use encode::{CODEC_RAW, Scratch, encode_chunk};
pub(crate) use geometry::{Geometry, Leaf, Place};
pub(crate) use merge::{Change, Edit, merge_chunk};
pub(crate) use numbers::Numbers;
pub(crate) use patch::{
    CODEC_PATCH, MAX_CHAIN, Patch, amended, changes_of, difference_of, differences, most_patched, patch_base,
};
pub(crate) use view::{ChunkView, LeafView};

use super::format::MatrixRecord;

/// What must be known of a matrix to read its chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) geometry: Geometry,
    pub(crate) numbers: Numbers,
}

impl Layout {
    pub(crate) fn of(record: &MatrixRecord) -> Self {
        Self {
            geometry: Geometry::new(record.rows, record.cols),
            numbers: Numbers { dtype: record.dtype, scale: record.scale },
        }
    }
}
