//! The command line.

mod adapter;
mod backup;
mod chat;
mod completions;
mod config;
mod model;
mod restore;
mod salvage;
mod serve;
mod sql;
mod terminal;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::error::ConfigError;
use crate::config::file;
use crate::config::layers::Loaded;
use crate::config::options::Config;
use terminal::exit::{Exit, fail};

/// A database for language models that learn: generate, embed and train in SQL.
#[derive(Debug, Parser)]
#[command(name = "hyprstream", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Where models, tables, adapters and trajectories are kept
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets any option of `hyprstream config show`
    #[arg(long = "set", global = true, value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve Postgres and Flight SQL clients
    Serve(serve::ServeArguments),
    /// Run SQL: interactively, from the command line or from a file
    Sql(sql::SqlArguments),
    /// Talk to a model
    Chat(chat::ChatArguments),
    /// Look after models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Look after adapters
    #[command(subcommand)]
    Adapter(adapter::AdapterCommand),
    /// Copy the data directory as it is at this moment, while it is in use
    Backup(backup::BackupArguments),
    /// Make the data directory from a backup
    Restore(restore::RestoreArguments),
    /// Put what is whole of a damaged data directory into a new one
    Salvage(salvage::SalvageArguments),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArguments),
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    run_with(std::env::args_os()).into()
}

fn run_with(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed output is all that could go wrong, and then there is nowhere to say it.
            let _ = error.print();
            return if error.use_stderr() { Exit::Fatal } else { Exit::Success };
        }
    };
    if let Command::Completions(arguments) = &cli.command {
        return completions::run(arguments, &mut Cli::command());
    }
    match load(&cli) {
        Ok(loaded) => dispatch(cli.command, &loaded),
        Err(error) => fail(&error),
    }
}

fn load(cli: &Cli) -> Result<Loaded, ConfigError> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut flags = Vec::new();
    for setting in &cli.global.settings {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| ConfigError(format!("--set {setting} is not of the form NAME=VALUE")))?;
        flags.push((name.to_owned(), value.to_owned()));
    }
    if let Some(directory) = &cli.global.data_dir {
        flags.push(("data_dir".into(), directory.display().to_string()));
    }
    if let Command::Serve(arguments) = &cli.command {
        flags.extend(arguments.flags());
    }
    let file = file::read(cli.global.config.clone(), &environment)?;
    Loaded::try_new(&flags, &environment, file)
}

/// Planning recurses once for each level of an expression, and a long chain of operators has many. The system gives
/// memory to the part of a stack that is used.
const STACK_BYTES: usize = 64 << 20;

fn dispatch(command: Command, loaded: &Loaded) -> Exit {
    start_logging(&loaded.config);
    // Planning and encoding run on these threads, so one long statement must not hold up all others.
    let threads = std::thread::available_parallelism().map_or(4, |count| count.get().max(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&ConfigError(format!("cannot start threads: {error}"))),
    };
    let config = &loaded.config;
    let exit = runtime.block_on(async {
        match command {
            Command::Serve(_) => serve::run(config).await,
            Command::Sql(arguments) => sql::run(config, arguments).await,
            Command::Chat(arguments) => chat::run(config, arguments).await,
            Command::Model(command) => model::run(config, command).await,
            Command::Adapter(command) => adapter::run(config, command).await,
            Command::Backup(arguments) => backup::run(config, &arguments).await,
            Command::Restore(arguments) => restore::run(config, &arguments),
            Command::Salvage(arguments) => salvage::run(config, &arguments),
            Command::Config(command) => config::run(loaded, &command),
            Command::Completions(arguments) => completions::run(&arguments, &mut Cli::command()),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    exit
}

fn start_logging(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log).unwrap_or_else(|error| {
        eprintln!("WARNING:  option log is not understood ({error}); logging warnings only");
        tracing_subscriber::EnvFilter::new("warn")
    });
    // A second call within one process is a test; the first subscriber stays.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_data_directory_is_taken_before_and_after_the_command() {
        for line in ["hyprstream --data-dir /d sql", "hyprstream sql --data-dir /d"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(load(&cli).unwrap().config.data_dir, PathBuf::from("/d"), "{line}");
        }
    }

    #[test]
    fn a_mistake_in_the_call_is_fatal_and_help_is_not() {
        let arguments = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(run_with(arguments("hyprstream serv")), Exit::Fatal);
        assert_eq!(run_with(arguments("hyprstream --set pg=x config show")), Exit::Fatal);
        assert_eq!(run_with(arguments("hyprstream sql --help")), Exit::Success);
    }
}
