//! Recorded answers read back, with the embeddings of their prompts.
//!
//! A thread follows the trajectory log once for each model in memory and has the prompts that this model answered
//! embedded by it, as `embed(prompt)` would. It loads no model; what an absent one answered waits until something else
//! loads it. The vectors of some records and the position after them are one commit, so that none is left out or stored
//! twice, however the process ends. It is background work: every request goes first; see
//! [`crate::scheduler`].

pub(crate) mod embeddings;
pub(crate) mod follower;
pub(crate) mod scan;
