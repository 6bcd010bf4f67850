//! Clients of the Postgres and Flight SQL servers, and the SQL that they send.

mod cancel;
mod flight;
mod prepared;
mod psql;
mod settings;
mod slt;
mod streaming;
