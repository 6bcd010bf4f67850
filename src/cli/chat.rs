//! `hyprstream chat`: a conversation, each turn a SELECT whose tokens are printed as they come.

use std::io::{IsTerminal, Write};

use clap::Args;

use crate::cli::terminal::exit::{Exit, fail, report};
use crate::cli::terminal::lines::{Line, Lines};
use crate::cli::terminal::statement::{interrupt, literal};
use crate::client::Client;
use crate::client::error::ClientError;
use crate::client::receiver::Receiver;
use crate::config::options::Config;
use crate::output::messages::print_notice;
use crate::report::Report;

/// Who answers and how.
#[derive(Debug, Args)]
pub(super) struct ChatArguments {
    /// What to say; without it, a conversation begins
    prompt: Option<String>,
    /// The model that answers
    #[arg(long)]
    model: Option<String>,
    /// The adapter that it answers with
    #[arg(long)]
    adapter: Option<String>,
    /// What the model is told before the conversation
    #[arg(long)]
    system: Option<String>,
    /// The conversation to go on with; by default a new one
    #[arg(long)]
    session: Option<String>,
    /// The most tokens that an answer may have
    #[arg(long)]
    max_tokens: Option<u32>,
    /// 0 always takes the likeliest token
    #[arg(long)]
    temperature: Option<f64>,
}

impl ChatArguments {
    fn statement(&self, prompt: &str, session: &str) -> String {
        let mut arguments = vec![literal(prompt), format!("session => {}", literal(session))];
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.map(|value| format!("{name} => {value}")));
        };
        add("model", self.model.as_deref().map(literal));
        add("adapter", self.adapter.as_deref().map(literal));
        add("system", self.system.as_deref().map(literal));
        add("max_tokens", self.max_tokens.map(|value| value.to_string()));
        // A decimal point keeps SQL from reading a whole number as an integer.
        add("temperature", self.temperature.map(|value| format!("{value:?}")));
        format!("SELECT token FROM generate({})", arguments.join(", "))
    }
}

/// Prints the only column of each row at once.
struct Answer;

impl Receiver for Answer {
    fn row(&mut self, values: Vec<Option<String>>) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        values.into_iter().flatten().try_for_each(|token| out.write_all(token.as_bytes()))?;
        out.flush()
    }

    fn complete(&mut self, _tag: &str) -> std::io::Result<()> {
        println!();
        Ok(())
    }

    fn notice(&mut self, notice: &Report) -> std::io::Result<()> {
        print_notice(notice)
    }
}

pub(super) async fn run(config: &Config, arguments: ChatArguments) -> Exit {
    let mut client = match Client::open(config).await {
        Ok(client) => client,
        Err(error) => return report(&error, ""),
    };
    let session = arguments.session.clone().unwrap_or_else(|| format!("chat-{:016x}", rand::random::<u64>()));
    let exit = match &arguments.prompt {
        Some(prompt) => match turn(&mut client, &arguments, prompt, &session).await {
            Ok(()) => Exit::Success,
            Err(error) => report(&error, ""),
        },
        None => converse(&mut client, &arguments, &session).await,
    };
    match client.close().await {
        Err(error) if exit == Exit::Success => report(&error, ""),
        _ => exit,
    }
}

async fn turn(
    client: &mut Client,
    arguments: &ChatArguments,
    prompt: &str,
    session: &str,
) -> Result<(), ClientError> {
    client.run(&arguments.statement(prompt, session), &mut Answer, &mut interrupt()).await
}

async fn converse(client: &mut Client, arguments: &ChatArguments, session: &str) -> Exit {
    let mut lines = match Lines::open("chat_history") {
        Ok(lines) => lines,
        Err(error) => return fail(&error),
    };
    if std::io::stdin().is_terminal() {
        eprintln!("Conversation {session}; Ctrl-C stops an answer, Ctrl-D ends the conversation.");
    }
    let mut exit = Exit::Success;
    while let Some(line) = lines.read("> ") {
        let Line::Text(line) = line else { continue };
        if line.trim().is_empty() {
            continue;
        }
        lines.remember(&line);
        match turn(client, arguments, &line, session).await {
            Ok(()) => exit = Exit::Success,
            Err(error @ ClientError::Statement(_)) => {
                println!();
                exit = report(&error, "");
            }
            Err(error) => return report(&error, ""),
        }
    }
    // At a terminal the person has seen the error and gone on; a script must hear of it.
    if std::io::stdin().is_terminal() { Exit::Success } else { exit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_statement_in_its_session() {
        let arguments = ChatArguments {
            prompt: None,
            model: None,
            adapter: Some("support@2".into()),
            system: None,
            session: None,
            max_tokens: Some(50),
            temperature: Some(1.0),
        };
        assert_eq!(
            arguments.statement("What's up?", "s"),
            "SELECT token FROM generate('What''s up?', session => 's', adapter => 'support@2', \
             max_tokens => 50, temperature => 1.0)"
        );
    }
}
