//! Matrix products and the element-wise arithmetic under everything else.
//!
//! The call of the matrix product, in [`multiplier`], is the only `unsafe` of the crate; its bounds are checked there.

mod math;
mod matrix;
mod multiplier;
mod precision;

pub use math::{add, axpy, dot, exp, exponentials, scale, sigmoid, square_sum};
pub use matrix::{Mat, MatMut};
pub use multiplier::{F32Multiplier, Multiplier, Shape, Store};
pub use precision::Precision;
