//! The Flight SQL server.
//!
//! `GetFlightInfo` plans a statement and keeps it under a random handle; `DoGet` runs it, once, and streams its
//! batches as they come. Closing the stream drops the work.

mod counted;
mod error;
mod handles;
pub(crate) mod listener;
mod metadata;
mod parameters;
mod service;
mod sql_info;
mod statements;
