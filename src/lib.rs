//! The program: command line, configuration and the servers that clients connect to.
//!
//! Nothing here knows how a statement is answered. The servers `pg` and `flight` turn messages into statements of a
//! [`hyprstream_sql::Session`] and rows back into messages. The commands in `cli` run statements by a `client`,
//! without a socket or as a Postgres client of the server that holds the data directory, and write what comes back
//! by an `output`. Values and errors look alike everywhere: `values` and `report`.

mod cli;
mod client;
pub mod config;
mod flight;
mod output;
mod pg;
mod report;
mod stopping;
mod values;

pub use cli::run;
