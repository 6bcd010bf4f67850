//! Chunks: 65,536 elements in 16 leaves of 4096, each leaf in the smallest of four encodings.

mod encode;
mod geometry;
mod merge;
mod numbers;
mod view;

pub(crate) use encode::{Built, CODEC_RAW, Scratch, encode_chunk};
pub(crate) use geometry::{Geometry, LEAVES, Leaf, Place};
pub(crate) use merge::{Change, Edit, merge_chunk};
pub(crate) use numbers::Numbers;
pub(crate) use view::{ChunkView, LeafView};
