//! The recipe of the bundled model: what it is taught, how it is trained and how well it does.
//!
//! Everything is drawn from a seed and nothing is stored: the corpus is a stream of samples that the
//! generators of [`corpus::tasks`] write as training asks for them. A generator draws either from the training
//! half of its phrasings and items or from the half that is held out; [`Split`] says which.

pub mod adapter;
pub mod answer;
pub mod chat;
pub mod corpus;
pub mod error;
pub mod evaluate;
pub mod full_training;
pub mod rng;
pub mod tokenizer;
pub mod train;

pub use corpus::{Sample, Split, Task};
pub use error::{Error, Result};
