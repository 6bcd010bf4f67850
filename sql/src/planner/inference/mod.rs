//! The operator that asks the model: a logical node and its execution.

mod answers;
pub(super) mod conditions;
pub(super) mod exec;
pub(super) mod node;
mod slice;
