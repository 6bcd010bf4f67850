//! The sparse grid store.

mod api;
mod path;

pub use api::*;
pub use path::{DataType, MatrixPath, Shape};
