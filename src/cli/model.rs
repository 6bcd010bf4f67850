//! `hyprstream model …`, each a statement on the `models` table.

use clap::Subcommand;

use super::{Exit, interrupt, report, run_statements};
use crate::client::{Client, Column, Receiver, literal};
use crate::config::Config;
use crate::output::{self, Layout, OutputFormat, TableOutput};
use crate::pg::errors::Report;

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// List the models that can answer
    List {
        /// How the rows are written
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Show everything known of a model
    Show {
        /// The model's name
        name: String,
    },
    /// Check the files of a model, or of all models
    Verify {
        /// The model's name
        name: Option<String>,
    },
}

pub(super) async fn run(config: &Config, command: ModelCommand) -> Exit {
    match command {
        ModelCommand::List { format } => {
            let sql = "SELECT name, architecture, parameters, context_length, is_default, error FROM models \
                       ORDER BY name";
            run_statements(config, sql, &mut *output::to_stdout(format)).await
        }
        ModelCommand::Show { name } => show(config, "models", &name, "model").await,
        ModelCommand::Verify { name } => verify(config, name.as_deref()).await,
    }
}

/// Shows the rows of `table` that have this name, or fails because there are none.
pub(super) async fn show(config: &Config, table: &str, name: &str, kind: &str) -> Exit {
    let sql = format!("SELECT * FROM {table} WHERE name = {}", literal(name));
    let mut counted = Counted::new(TableOutput::new(std::io::stdout(), Layout::Expanded));
    let exit = run_statements(config, &sql, &mut counted).await;
    if exit == Exit::Success && counted.rows == 0 {
        eprintln!(
            "ERROR:  {kind} \"{name}\" does not exist\nHINT:  hyprstream {kind} list shows those that do"
        );
        return Exit::Fatal;
    }
    exit
}

/// Passes rows on and counts them.
struct Counted<R> {
    receiver: R,
    rows: u64,
}

impl<R> Counted<R> {
    fn new(receiver: R) -> Self {
        Self { receiver, rows: 0 }
    }
}

impl<R: Receiver> Receiver for Counted<R> {
    fn columns(&mut self, columns: &[Column]) -> std::io::Result<()> {
        self.receiver.columns(columns)
    }

    fn row(&mut self, values: Vec<Option<String>>) -> std::io::Result<()> {
        self.rows += 1;
        self.receiver.row(values)
    }

    fn pause(&mut self) -> std::io::Result<()> {
        self.receiver.pause()
    }

    fn complete(&mut self, tag: &str) -> std::io::Result<()> {
        self.receiver.complete(tag)
    }

    fn notice(&mut self, notice: &Report) -> std::io::Result<()> {
        self.receiver.notice(notice)
    }
}

/// Collects name, path and fault of the models that were read.
#[derive(Default)]
struct Findings(Vec<(String, String, Option<String>)>);

impl Receiver for Findings {
    fn columns(&mut self, _columns: &[Column]) -> std::io::Result<()> {
        Ok(())
    }

    fn row(&mut self, values: Vec<Option<String>>) -> std::io::Result<()> {
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        self.0.push((next().unwrap_or_default(), next().unwrap_or_default(), next()));
        Ok(())
    }

    fn pause(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn complete(&mut self, _tag: &str) -> std::io::Result<()> {
        Ok(())
    }

    fn notice(&mut self, notice: &Report) -> std::io::Result<()> {
        output::print_notice(notice)
    }
}

async fn verify(config: &Config, name: Option<&str>) -> Exit {
    let filter = name.map(|name| format!("WHERE name = {}", literal(name))).unwrap_or_default();
    let sql = format!("SELECT name, path, error FROM models {filter} ORDER BY name");
    let mut client = match Client::open(config).await {
        Ok(client) => client,
        Err(error) => return report(&error, &sql),
    };
    let mut findings = Findings::default();
    let read = client.run(&sql, &mut findings, &mut interrupt()).await;
    if let Err(error) = read.and(client.close().await) {
        return report(&error, &sql);
    }
    if let (Some(name), true) = (name, findings.0.is_empty()) {
        eprintln!(
            "ERROR:  model \"{name}\" does not exist\nHINT:  hyprstream model list shows those that do"
        );
        return Exit::Fatal;
    }
    let mut exit = Exit::Success;
    for (name, path, fault) in findings.0 {
        match fault {
            None => println!("{name}: ok ({path})"),
            Some(fault) => {
                println!("{name}: {fault}");
                exit = Exit::Fatal;
            }
        }
    }
    exit
}
