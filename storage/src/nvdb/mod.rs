//! `NanoVDB` files: a version of an adapter as one float grid, and back.
//!
//! The elements of all matrices are laid out one after the other, row by row, each matrix beginning at a multiple of
//! 512; element `e` is voxel `e % 512` of leaf `e / 512`, leaves fill a lower node of 16³ and lower nodes stand
//! beside each other along x. Active elements are active voxels. A blind-data channel named `hyprstream.matrices`
//! lists the matrices, so that an import restores them; readers that do not know it skip it.
//!
//! What is written is version 32.4.2 with magic `NanoVDB0`, codec NONE and the Half checksum, which old and new
//! releases of the library read and validate. Grids of other writers are read as coordinates and values.
//!
//! - `files`: the way in: export, import and parsing.
//! - `writer`: matrices to bytes; `reader` is the way back.
//! - `layout`: sizes and offsets of nodes.
//! - `manifest`: the list of matrices.
//! - `grid`: what was read, and storing it as a version.
//! - `replace`: a file is replaced by a whole one or not at all.

mod files;
mod grid;
mod layout;
mod manifest;
mod reader;
mod replace;
mod writer;

pub use files::{export_nvdb, import_nvdb, parse_nvdb};
pub use grid::{NvdbGrid, NvdbMatrix, NvdbSummary};
