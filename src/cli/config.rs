//! `hyprstream config show`.

use clap::Subcommand;
use postgres_types::Type;

use crate::cli::terminal::exit::{Exit, report};
use crate::client::error::ClientError;
use crate::client::receiver::Column;
use crate::config::layers::Loaded;
use crate::config::options::OPTIONS;
use crate::output::{self, OutputFormat};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print each option, its value and where the value came from
    Show {
        /// How the options are written
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
        /// Print what each option is for as well
        #[arg(long)]
        describe: bool,
    },
}

pub(super) fn run(loaded: &Loaded, command: &ConfigCommand) -> Exit {
    let ConfigCommand::Show { format, describe } = command;
    match show(loaded, *format, *describe) {
        Ok(()) => Exit::Success,
        Err(error) => report(&ClientError::Output(error), ""),
    }
}

fn show(loaded: &Loaded, format: OutputFormat, describe: bool) -> std::io::Result<()> {
    let mut receiver = output::to_stdout(format);
    let names: &[&str] =
        if describe { &["option", "value", "source", "description"] } else { &["option", "value", "source"] };
    let columns: Vec<_> =
        names.iter().map(|name| Column { name: (*name).into(), data_type: Type::TEXT }).collect();
    receiver.columns(&columns)?;
    for (option, source) in OPTIONS.iter().zip(&loaded.sources) {
        let value = Some(loaded.config.show(option.name)).filter(|value| !value.is_empty());
        let mut row = vec![Some(option.name.to_owned()), value, Some(source.to_string())];
        row.extend(describe.then(|| Some(option.doc.trim().replace("  ", " "))));
        receiver.row(row)?;
    }
    receiver.complete("SHOW")
}
