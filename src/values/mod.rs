//! Values between Arrow and Postgres: types, and text and binary formats.
//!
//! The Postgres server, the commands and their output all speak these, so nothing in here knows a socket.

pub(crate) mod array_literal;
mod calendar;
pub(crate) mod command_tag;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod format;
mod numeric;
pub(crate) mod types;
