//! A model's shape and constants, as Hugging Face's `config.json` states them.

mod architecture;
mod json;
mod model;
mod rope;

pub use architecture::Architecture;
pub use model::ModelConfig;
pub use rope::RopeScaling;
