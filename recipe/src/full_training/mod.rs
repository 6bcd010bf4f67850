//! Training of all weights of a model: next tokens, pooled representations, or both in one step.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod bf16;
mod contrastive;
mod files;
mod muon;
mod options;
mod trainer;

pub use bf16::BF16;
pub use options::{FullBatch, FullOptions, FullReport, ProjectionRule};
pub use trainer::FullTrainer;
