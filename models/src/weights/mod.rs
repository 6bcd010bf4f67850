//! Weights, wherever they lie: a model's in safetensors files, an adapter's in memory.

mod adapter;
mod memory_map;
mod safetensors;
mod source;

pub use adapter::{LoraMatrix, LoraWeights, Module};
pub(crate) use memory_map::MappedFile;
pub use safetensors::SafetensorsModel;
pub(crate) use safetensors::StoredType;
pub use source::TensorSource;
