//! What the catalog keeps: small records that are read by name and not versioned.
//!
//! The catalog (a key-value store) holds settings, conversations, definitions of users' tables, the steps of training
//! runs and how far numbers of trajectories are reserved. Whatever belongs to weights is in the weight store with them,
//! so that both appear in one commit: versions, checkpoints, training runs, positions of embeddings.

pub(crate) mod conversations;
pub(crate) mod definitions;
pub(crate) mod settings;
