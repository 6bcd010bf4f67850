//! Where the results of statements go.

use std::time::Duration;

use postgres_types::Type;

use crate::report::Report;

/// How long the receiver of rows is left alone while none come.
pub(super) const PAUSE: Duration = Duration::from_millis(150);

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub data_type: Type,
}

/// Takes results in the order in which they come. Only rows and notices have to be dealt with.
pub(crate) trait Receiver {
    /// A result begins.
    fn columns(&mut self, _columns: &[Column]) -> std::io::Result<()> {
        Ok(())
    }
    /// One row of the result, as text.
    fn row(&mut self, values: Vec<Option<String>>) -> std::io::Result<()>;
    /// No row has come for a moment: what is held back may be shown.
    fn pause(&mut self) -> std::io::Result<()> {
        Ok(())
    }
    /// A statement is complete, with its command tag.
    fn complete(&mut self, _tag: &str) -> std::io::Result<()> {
        Ok(())
    }
    /// A message beside the rows.
    fn notice(&mut self, notice: &Report) -> std::io::Result<()>;
}
