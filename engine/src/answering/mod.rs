//! Requests answered by a model in memory: text, vectors, scores, tokens.
//!
//! Each request is checked, turned into tokens and handed to the model's decode thread; see [`crate::scheduler`].

pub(crate) mod answer_stream;
pub(crate) mod embed;
pub(crate) mod generate;
mod parameters;
pub(crate) mod prompt;
pub(crate) mod score;
pub(crate) mod tokens;
