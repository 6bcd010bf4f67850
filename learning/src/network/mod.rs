//! The passes over a shard of a batch: from tokens to the loss and back to the gradients.

mod adapted;
mod attention;
mod backward;
mod dropout;
mod forward;
mod gradients;
mod linear;
mod loss;
mod norm;
mod pack;
mod workspace;

pub(crate) use adapted::AdapterView;
pub use adapted::Network;
pub(crate) use backward::backward;
pub(crate) use dropout::Dropout;
pub(crate) use forward::{Trace, forward};
pub use gradients::Gradients;
pub(crate) use loss::{LossGradient, cross_entropy};
pub use pack::{Example, check_tokens};
pub(crate) use pack::{Packed, balance};
pub(crate) use workspace::Workspaces;
