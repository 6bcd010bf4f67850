//! Results on stdout, everything else on stderr.

mod csv;
mod json;
pub(crate) mod messages;
pub(crate) mod table;

use std::io;

use clap::ValueEnum;

use crate::client::receiver::Receiver;
use csv::CsvOutput;
use json::JsonOutput;
use table::{Layout, TableOutput};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned columns, as psql prints them
    #[default]
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// An array of objects a statement
    Json,
}

/// A receiver that writes to stdout in `format`.
pub(crate) fn to_stdout(format: OutputFormat) -> Box<dyn Receiver + Send> {
    let out = io::BufWriter::new(io::stdout());
    match format {
        OutputFormat::Table => Box::new(TableOutput::new(out, Layout::Aligned)),
        OutputFormat::Csv => Box::new(CsvOutput::new(out)),
        OutputFormat::Json => Box::new(JsonOutput::new(out)),
    }
}
