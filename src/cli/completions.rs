//! `hyprstream completions SHELL`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::terminal::exit::{Exit, fail};

/// Which shell the script is for.
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments, command: &mut Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "hyprstream", &mut script);
    match std::io::Write::write_all(&mut std::io::stdout(), &script) {
        Ok(()) => Exit::Success,
        Err(error) => fail(&error),
    }
}
