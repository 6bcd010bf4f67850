//! A model as it lies on disk.

mod model;
mod text;
mod tokenizer_settings;

pub use model::ModelFiles;
