//! The Postgres door: wire protocol 3, one session a connection.
//!
//! Messages are those of `pgwire`; a client's bytes are checked before its decoders see them, because every
//! length in them comes from outside.

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
