//! The model that is trained, or on top of which an adapter is trained: its sizes, weights and rotary positions.

mod dims;
mod rope;
mod tensors;
mod weights;

pub(crate) use dims::{DOWN, Dims, GATE, K, O, Q, UP, V};
pub(crate) use rope::Rotation;
pub use tensors::Tensors;
pub(crate) use weights::{BIASES, INPUT_NORM, K_NORM, POST_NORM, PROJECTIONS, Q_NORM, Weights};
pub use weights::{BaseWeights, gaussian};
