//! Chunks: 65,536 elements in 16 leaves of 4096, each leaf in the smallest of four encodings.
//!
//! This room turns the numbers of a chunk into bytes and back, whole, compressed or as a patch of another chunk. It is
//! given bytes and gives bytes; where they are stored it does not know.

pub(crate) mod codec;
pub(crate) mod cold;
pub(crate) mod encode;
mod gaps;
pub(crate) mod layout;
pub(crate) mod merge;
mod numbers;
pub(crate) mod patch;
mod streams;
pub(crate) mod view;
