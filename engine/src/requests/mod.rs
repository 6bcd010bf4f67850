//! What callers ask for and what they get back.
//!
//! Requests and results stand below the scheduler, so that it answers with the same types that callers see.

pub(crate) mod embed;
pub(crate) mod generate;
pub(crate) mod score;
