//! Matrix products and the element-wise arithmetic under everything else.
//!
//! This is the only module of the crate with `unsafe`: the call of the matrix product, whose bounds are
//! checked here, and the instructions of the matrix unit.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod math;
mod matmul;

pub(crate) use math::{add, axpy, dot, exp, scale, sigmoid, square_sum};
pub(crate) use matmul::{Mat, Multiplier};
