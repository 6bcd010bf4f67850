//! The embeddings of recorded prompts, beside the weights in the grid store.
//!
//! A thread follows the trajectory log once for each model in memory and has the prompts that this model answered
//! embedded by it, as `embed(prompt)` would. It loads no model; what an absent one answered waits until something else
//! loads it. A stretch's vectors and the position behind it are one commit, so that whatever ends the process, nothing
//! is left out and nothing is stored twice. Every request goes first; see [`crate::scheduler`].

mod blocks;
mod follower;

pub(crate) use blocks::{EmbeddingReader, OWNER, forget_removed};
pub(crate) use follower::{Followed, TrajectoryEmbeddings};
