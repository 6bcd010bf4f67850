//! Session, catalog, planner rules, virtual tables and procedures.
//!
//! A server makes one [`Database`] over an engine and one [`Session`] a connection. A statement's way is
//! [`Session::parse`], then [`Session::prepare`] where its columns must be known first, then [`Session::execute`].
//! The rows of an outcome end in errors that [`Session::error`] tells the kind of.

mod catalog;
mod classify;
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
mod tables;
mod user_tables;

pub use database::{Database, DatabaseOptions};
pub use error::{Error, ErrorKind, Result};
pub use session::{Session, SessionOptions};
pub use statement::{Notice, Outcome, Prepared, Severity, Statement, TransactionStatus};
pub use user_tables::damaged_tables;
