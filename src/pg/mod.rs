//! The Postgres door: wire protocol 3, one session a connection.
//!
//! Messages are decoded here and not by a library because every length in them comes from outside: a message
//! that is cut short must be an error of its connection, never a panic.

mod cancel;
mod connection;
pub(crate) mod encode;
pub(crate) mod errors;
mod extended_query;
mod listener;
pub(crate) mod messages;
pub(crate) mod parameters;
pub(crate) mod replies;
mod rows;
pub(crate) mod scram;
mod simple_query;
mod startup;
mod transport;
pub(crate) mod types;

pub(crate) use self::listener::{PgListener, PgOptions};
pub(crate) use self::rows::command_tag;
