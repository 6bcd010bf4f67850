//! SQL over the engine: sessions, statements, the catalog, system tables, procedures and the planner's rules.
//!
//! A server makes one [`Database`] over an engine and one [`Session`] a connection. A statement's way is
//! [`Session::parse`], then [`Session::prepare`] where its columns must be known first, then [`Session::execute`].
//! The rows of an outcome end in errors that [`Session::error`] tells the kind of.
//!
//! Inside, `parse` and `rewrite` make a syntax tree, `statements` does what it says, `session` plans and runs it with
//! the rules and operators of `planner`, over the tables of `tables` and `user_tables`.

mod catalog;
mod classify;
mod columns;
mod database;
mod error;
mod functions;
mod nearest;
mod parse;
mod planner;
mod procedures;
mod rewrite;
mod session;
mod settings;
mod statement;
mod statements;
mod tables;
mod user_tables;

pub use database::{Database, DatabaseOptions};
pub use error::{Error, ErrorKind, Result};
pub use session::core::{Session, SessionOptions};
pub use statement::{Notice, Outcome, Prepared, Severity, Statement, TransactionStatus};
pub use user_tables::salvage::{SalvagedTable, salvage_tables};
