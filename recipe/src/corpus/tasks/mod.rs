//! The generators, one task a file.

pub mod capitals;
pub mod extraction;
pub mod paraphrases;
pub mod plain_answers;
pub mod repeats;
pub mod sentiment;
pub mod sql_questions;
pub mod sums;
pub mod units;
