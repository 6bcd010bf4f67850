//! The operator that asks the model: a logical node and its execution.

mod answers;
mod conditions;
mod exec;
mod node;
mod slice;

pub(super) use conditions::ConditionsExec;
pub(super) use exec::InferenceExec;
pub(super) use node::{Call, InferenceNode};
