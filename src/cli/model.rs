//! `hyprstream model …`, each a statement on the `models` table.

use clap::Subcommand;

use crate::cli::terminal::exit::{Exit, report};
use crate::cli::terminal::statement::{interrupt, literal, run_statements};
use crate::client::Client;
use crate::client::receiver::Receiver;
use crate::config::options::Config;
use crate::output::messages::print_notice;
use crate::output::table::{Layout, TableOutput};
use crate::output::{self, OutputFormat};
use crate::report::Report;

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
    let mut table = TableOutput::new(std::io::stdout(), Layout::Expanded);
    let exit = run_statements(config, &sql, &mut table).await;
    if exit == Exit::Success && table.rows() == 0 {
        eprintln!(
            "ERROR:  {kind} \"{name}\" does not exist\nHINT:  hyprstream {kind} list shows those that do"
        );
        return Exit::Fatal;
    }
    exit
}

/// A model whose files were read.
struct Verified {
    name: String,
    path: String,
    fault: Option<String>,
}

/// Collects rows of name, path and fault.
#[derive(Default)]
struct Findings(Vec<Verified>);

impl Receiver for Findings {
    fn row(&mut self, values: Vec<Option<String>>) -> std::io::Result<()> {
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        self.0.push(Verified {
            name: next().unwrap_or_default(),
            path: next().unwrap_or_default(),
            fault: next(),
        });
        Ok(())
    }

    fn notice(&mut self, notice: &Report) -> std::io::Result<()> {
        print_notice(notice)
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
    for Verified { name, path, fault } in findings.0 {
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
