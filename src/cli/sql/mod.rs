//! `hyprstream sql`: statements from the command line, from a file or typed one by one.

mod commands;
mod interactive;
mod statements;

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;

use crate::cli::terminal::exit::{Exit, fail, report};
use crate::cli::terminal::statement::interrupt;
use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::receiver::Receiver;
use crate::config::options::Config;
use crate::output::{self, OutputFormat};

/// What to run. Without a statement or a file, statements are read from the terminal.
#[derive(Debug, Args)]
pub(super) struct SqlArguments {
    /// Statements to run
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    commands: Vec<String>,
    /// A file of statements to run up to the first that fails; `-` is stdin
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "commands")]
    file: Option<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(super) async fn run(config: &Config, arguments: SqlArguments) -> Exit {
    let script = match script(&arguments) {
        Ok(script) => script,
        Err(error) => return fail(&error),
    };
    let mut client = match Client::open(config).await {
        Ok(client) => client,
        Err(error) => return report(&error, ""),
    };
    let mut receiver = output::to_stdout(arguments.format);
    let exit = match script {
        _ if !arguments.commands.is_empty() => {
            run_all(&mut client, &arguments.commands, &mut *receiver, Exit::Fatal).await
        }
        Some(text) => run_all(&mut client, &statements::split(&text), &mut *receiver, Exit::Script).await,
        None => interactive::run(&mut client, &mut *receiver).await,
    };
    match client.close().await {
        Err(error) if exit == Exit::Success => report(&error, ""),
        _ => exit,
    }
}

/// The script to run: the file, or what is piped in.
fn script(arguments: &SqlArguments) -> Result<Option<String>, String> {
    let mut text = String::new();
    match &arguments.file {
        Some(path) if path.as_os_str() != "-" => std::fs::read_to_string(path)
            .map(Some)
            .map_err(|error| format!("cannot read {}: {error}", path.display())),
        None if !arguments.commands.is_empty() || std::io::stdin().is_terminal() => Ok(None),
        _ => match std::io::stdin().read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(error) => Err(format!("cannot read stdin: {error}")),
        },
    }
}

async fn run_all(client: &mut Client, texts: &[String], receiver: &mut dyn Receiver, failed: Exit) -> Exit {
    for text in texts {
        match client.run(text, receiver, &mut interrupt()).await {
            Ok(()) => {}
            Err(error @ ClientError::Statement(_)) => {
                report(&error, text);
                return failed;
            }
            Err(error) => return report(&error, text),
        }
    }
    Exit::Success
}
