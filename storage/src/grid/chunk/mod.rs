//! Chunks: 65,536 elements in 16 leaves of 4096, each leaf in the smallest of four encodings.
//!
//! This module turns the numbers of a chunk into bytes and back, whole, compressed or as a patch of another chunk. It is
//! given bytes and gives bytes; where they are stored it does not know.
//!
//! - `encode`: numbers to a raw chunk; `view` reads one in place.
//! - `merge`: a chunk after sparse changes.
//! - `patch`: a chunk as what differs from another one.
//! - `cold`: a compressed chunk, in `streams` of which one is `gaps` between positions.
//! - `numbers`: f32 and f16 to stored bits and back.
//! - `codec`, `layout`: how a chunk is stored, and the shape and type that its reader must know.

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
