//! The Postgres server: wire protocol 3, one session a connection.
//!
//! A client's way: `listener` accepts its socket, `startup` authenticates it, `connection` takes its messages,
//! `simple_query` and `extended_query` make statements of them, `backend` runs those and `rows` sends what they
//! return.

mod backend;
mod cancel;
mod connection;
mod error;
mod extended_query;
pub(crate) mod listener;
mod rows;
mod scram;
mod simple_query;
mod startup;
mod wire;
