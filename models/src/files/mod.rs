//! A model as it lies on disk.

mod converted;
mod model;
mod stamp;
mod text;
mod tokenizer_settings;

pub use converted::{remove_leftovers, verify_converted};
pub use model::ModelFiles;
