//! The program: command line, configuration and the doors that clients come in by.
//!
//! Nothing here knows how a statement is answered. A door turns messages into statements of a
//! [`hyprstream_sql::Session`] and rows back into messages; the commands do the same without a socket, or
//! through the Postgres door of the server that holds the data directory.

mod cli;
mod client;
pub mod config;
mod flight;
mod output;
mod pg;
mod repl;
mod stopping;

pub use cli::run;
