//! GGUF, llama.cpp's file format: reading with full validation, and writing.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

mod convert;
mod metadata;
mod model;
mod names;
mod reader;
mod tokenizer;
mod types;
mod writer;

pub use convert::WeightType;
pub(crate) use convert::{Description, convert};
pub use model::GgufModel;
pub(crate) use writer::write_adapter;
