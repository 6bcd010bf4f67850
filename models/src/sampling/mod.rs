//! Choosing the next token from logits.

mod options;
mod sampler;
mod softmax;

pub use options::{OutOfRange, SamplingOptions};
pub use sampler::{Sampled, Sampler, log_softmax_at};
