//! Low-rank adapters: their matrices, and the masks of sparse ones.

mod lora;
mod sparsity;

pub use lora::LoraConfig;
pub(crate) use lora::{Adapter, Pair};
pub(crate) use sparsity::{Mask, Progress};
