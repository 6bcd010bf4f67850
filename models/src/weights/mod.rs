//! Weights, wherever they lie: a model's in safetensors files, an adapter's in memory.

mod adapter;
mod checked_range;
mod safetensors;
mod source;

pub use adapter::{LoraMatrix, LoraWeights, Module};
pub(crate) use checked_range::{CheckedRange, SourceFile};
pub use safetensors::SafetensorsModel;
pub(crate) use safetensors::{INDEX_FILE, SINGLE_FILE, StoredTensor, StoredType, shard_files};
pub use source::TensorSource;
