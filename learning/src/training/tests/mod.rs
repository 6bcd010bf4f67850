//! Gradients against differences and against an independent autograd, and what sparse runs promise.

mod autograd;
mod fixture;
mod gradients;
mod sparsity;
