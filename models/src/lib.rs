//! Model files, tokenizers, chat templates and the llama.cpp runtime.
//!
//! A model is a Hugging Face directory or a GGUF file of the llama, qwen2 or qwen3 family. Both are validated
//! whole before anything is built on them: malformed input is an [`Error::Invalid`] with the file and the
//! reason, never a panic, and llama.cpp sees nothing that was not validated.
//!
//! A model's files belong to whoever put them there, who may change them at any time. Nothing maps them: what answers was
//! read, hashed and sealed in memory, and whatever is read later is compared with what was hashed.
//!
//! The crate knows nothing of storage, SQL or sessions.

mod chat_template;
mod config;
mod content_hash;
mod error;
mod files;
mod gguf;
pub mod llama;
mod sampling;
mod tokenizer;
mod weights;

pub use chat_template::{ChatMessage, ChatTemplate};
pub use config::{Architecture, ModelConfig, RopeScaling};
pub use content_hash::ContentHash;
pub use error::{Error, Result};
pub use files::{ModelFiles, remove_leftovers, verify_converted};
pub use gguf::{GgufModel, WeightType};
pub use llama::{
    Batch, CacheType, ContextOptions, LlamaAdapter, LlamaContext, LlamaModel, LoadOptions, Pooling,
    run_in_background,
};
pub use sampling::{OutOfRange, Sampled, Sampler, SamplingOptions, log_softmax_at};
pub use tokenizer::{TokenStream, Tokenizer};
pub use weights::{LoraMatrix, LoraWeights, Module, SafetensorsModel, TensorSource};
