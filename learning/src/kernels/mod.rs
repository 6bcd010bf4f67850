//! Matrix products and the element-wise arithmetic under everything else.
//!
//! This is the only module of the crate with `unsafe`: the call of the matrix product, whose bounds are
//! checked here.

mod math;
mod matmul;

pub(crate) use math::{add, axpy, dot, exp, scale, sigmoid, square_sum};
pub(crate) use matmul::{Mat, matmul};
