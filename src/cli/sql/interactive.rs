//! The interactive session of `hyprstream sql`.

mod commands;
mod lines;
pub(crate) mod statements;

use std::time::Instant;

use self::commands::Command;
pub(crate) use self::lines::Lines;
use crate::cli::{Exit, interrupt, report};
use crate::client::{Client, ClientError, Receiver};

/// What the session shows besides results.
#[derive(Debug, Default)]
struct Display {
    timing: bool,
}

/// Reads statements and runs them until the input ends.
pub(crate) async fn run(client: &mut Client, receiver: &mut dyn Receiver) -> Exit {
    let mut lines = match Lines::open("sql_history") {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("hyprstream: {error}");
            return Exit::Fatal;
        }
    };
    eprintln!("hyprstream {} in {}. \\? shows help, \\q quits.", env!("CARGO_PKG_VERSION"), client.place());
    let mut display = Display::default();
    let mut pending = String::new();
    loop {
        let Some(line) = lines.read(prompt(client, &pending)) else {
            return Exit::Success;
        };
        if line.is_interrupted() {
            pending.clear();
            continue;
        }
        if pending.is_empty() && Command::begins(&line) {
            lines.remember(&line);
            match Command::parse(&line) {
                Ok(Command::Quit) => return Exit::Success,
                Ok(command) => {
                    if let Some(exit) = obey(client, receiver, &mut display, &command).await {
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

async fn obey(
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
