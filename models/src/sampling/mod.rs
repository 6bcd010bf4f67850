//! Choosing the next token from logits.

mod options;
mod sampler;
mod softmax;

pub use options::SamplingOptions;
pub use sampler::{Sampled, Sampler, log_softmax_at};
