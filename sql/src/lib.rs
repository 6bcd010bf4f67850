//! Session, catalog, planner rules, virtual tables and procedures.
//!
//! A server makes one [`Database`] over an engine and one [`Session`] a connection. A statement's way is
//! [`Session::parse`], then [`Session::prepare`] where its columns must be known first, then [`Session::execute`].

mod database;
mod error;
mod session;
mod statement;

pub use database::{Database, DatabaseOptions};
pub use error::{Error, ErrorKind, Result};
pub use session::{Session, SessionOptions};
pub use statement::{Notice, Outcome, Prepared, Severity, Statement, TransactionStatus};
