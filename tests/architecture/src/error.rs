//! What keeps a tree from being read.

use std::fmt;
use std::io;

/// Why a tree cannot be read.
#[derive(Debug)]
pub enum Error {
    /// `git` or `cargo` did not do what it was asked.
    Command {
        /// The program and its arguments.
        command: String,
        /// What it said.
        reason: String,
    },
    /// A file that git knows cannot be read.
    File {
        /// Its path from the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not Rust.
    Syntax {
        /// Its path from the root.
        path: String,
        /// Where and why.
        source: syn::Error,
    },
}

/// A result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { command, reason } => write!(out, "`{command}` failed: {reason}"),
            Self::File { path, source } => write!(out, "{path} cannot be read: {source}"),
            Self::Syntax { path, source } => {
                write!(out, "{path}:{}: {source}", source.span().start().line)
            }
        }
    }
}

impl std::error::Error for Error {}
