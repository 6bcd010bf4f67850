//! How the program ends, and what it prints of the reason.

use std::fmt::Display;
use std::process::ExitCode;

use crate::client::error::ClientError;
use crate::output::messages::print_error;

/// How the program ends, with psql's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Success = 0,
    /// A mistake in the call, or an error that nothing can follow.
    Fatal = 1,
    /// The data directory or its server could not be reached.
    Connection = 2,
    /// A statement of a script failed.
    Script = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints what went wrong before anything ran.
pub(crate) fn fail(error: &dyn Display) -> Exit {
    eprintln!("hyprstream: {error}");
    Exit::Fatal
}

/// Prints an error of the statements in `text` and says how the program ends with it.
pub(crate) fn report(error: &ClientError, text: &str) -> Exit {
    match error {
        ClientError::Statement(error) => {
            print_error(error, text);
            Exit::Fatal
        }
        ClientError::Connection(message) => {
            eprintln!("hyprstream: {message}");
            Exit::Connection
        }
        // Whoever read the output has seen enough, as in `hyprstream sql … | head`.
        ClientError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Success,
        ClientError::Output(_) => fail(error),
    }
}
