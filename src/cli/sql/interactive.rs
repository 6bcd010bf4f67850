//! The interactive session: statements are typed, and run once they are complete.

use std::time::Instant;

use crate::cli::sql::commands::{self, Command};
use crate::cli::sql::statements;
use crate::cli::terminal::exit::{Exit, fail, report};
use crate::cli::terminal::lines::{Line, Lines};
use crate::cli::terminal::statement::interrupt;
use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::receiver::Receiver;

/// What the session shows besides results.
#[derive(Debug, Default)]
struct Display {
    timing: bool,
}

/// Reads statements and runs them until the input ends.
pub(super) async fn run(client: &mut Client, receiver: &mut dyn Receiver) -> Exit {
    let mut lines = match Lines::open("sql_history") {
        Ok(lines) => lines,
        Err(error) => return fail(&error),
    };
    eprintln!("hyprstream {} in {}. \\? shows help, \\q quits.", env!("CARGO_PKG_VERSION"), client.target());
    let mut display = Display::default();
    let mut pending = String::new();
    loop {
        let line = match lines.read(prompt(client, &pending)) {
            Some(Line::Text(line)) => line,
            Some(Line::Interrupt) => {
                pending.clear();
                continue;
            }
            None => return Exit::Success,
        };
        if pending.is_empty() && Command::begins(&line) {
            lines.remember(&line);
            match Command::parse(&line) {
                Ok(Command::Quit) => return Exit::Success,
                Ok(command) => {
                    if let Some(exit) = run_command(client, receiver, &mut display, &command).await {
                        return exit;
                    }
                }
                Err(message) => eprintln!("{message}"),
            }
            continue;
        }
        pending.push_str(&line);
        pending.push('\n');
        if statements::is_blank(&pending) {
            pending.clear();
        } else if statements::is_complete(&pending) {
            let text = std::mem::take(&mut pending);
            lines.remember(text.trim_end());
            if let Some(exit) = execute(client, receiver, &display, &text).await {
                return exit;
            }
        }
    }
}

/// As psql: `=` waits for a statement, `-` for the rest of one, `*` stands for an open transaction.
fn prompt(client: &Client, pending: &str) -> &'static str {
    match (pending.is_empty(), client.in_transaction()) {
        (true, false) => "hyprstream=> ",
        (true, true) => "hyprstream=*> ",
        (false, false) => "hyprstream-> ",
        (false, true) => "hyprstream-*> ",
    }
}

async fn run_command(
    client: &mut Client,
    receiver: &mut dyn Receiver,
    display: &mut Display,
    command: &Command,
) -> Option<Exit> {
    match command {
        Command::Timing => {
            display.timing = !display.timing;
            eprintln!("Timing is {}.", if display.timing { "on" } else { "off" });
            None
        }
        Command::Help => {
            eprintln!("{}", commands::HELP);
            None
        }
        Command::Quit => Some(Exit::Success),
        Command::Query(sql) => execute(client, receiver, display, sql).await,
    }
}

/// Runs a text; only a lost connection ends the session.
async fn execute(
    client: &mut Client,
    receiver: &mut dyn Receiver,
    display: &Display,
    text: &str,
) -> Option<Exit> {
    let started = Instant::now();
    let result = client.run(text, receiver, &mut interrupt()).await;
    if let Err(error) = result {
        let exit = report(&error, text);
        if !matches!(error, ClientError::Statement(_)) {
            return Some(exit);
        }
    }
    if display.timing {
        eprintln!("Time: {:.3} ms", started.elapsed().as_secs_f64() * 1000.0);
    }
    None
}
