//! GGUF, llama.cpp's file format: reading with full validation, and writing.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

mod adapter;
mod config;
mod convert;
mod metadata;
mod model;
mod names;
mod reader;
mod token_types;
mod tokenizer_json;
mod types;
mod vocabulary;
mod writer;

pub(crate) use adapter::write_adapter;
pub use convert::WeightType;
pub(crate) use convert::{Description, convert};
pub use model::GgufModel;
