//! `hyprstream adapter …`, each a statement on the `adapters` table or a procedure.

use clap::{Args, Subcommand};

use crate::cli::model;
use crate::cli::terminal::exit::Exit;
use crate::cli::terminal::statement::{literal, run_statements};
use crate::config::options::Config;
use crate::output::{self, OutputFormat};

/// What to do with adapters.
#[derive(Debug, Subcommand)]
pub(super) enum AdapterCommand {
    /// List the adapters and their versions
    List {
        /// How the rows are written
        #[arg(long, value_enum, default_value_t)]
        format: OutputFormat,
    },
    /// Show everything known of an adapter's versions
    Show {
        /// The adapter's name
        name: String,
    },
    /// Train an adapter; a row a step is written as it happens
    Train(TrainArguments),
    /// Remove an adapter with all its versions
    Rm {
        /// The adapter's name
        name: String,
    },
}

/// What an adapter is trained on and how. What is not given has the procedure's default.
#[derive(Debug, Args)]
pub(super) struct TrainArguments {
    /// The adapter's name
    name: String,
    /// A query that returns the columns prompt and completion
    #[arg(long, value_name = "SQL")]
    data: String,
    /// A query for the pairs that the loss is also measured on
    #[arg(long, value_name = "SQL")]
    validation: Option<String>,
    /// The model to adapt
    #[arg(long)]
    base_model: Option<String>,
    /// The rank
    #[arg(long)]
    r: Option<u32>,
    /// The weights are scaled by this over the rank
    #[arg(long)]
    lora_alpha: Option<f64>,
    /// How often each pair is seen
    #[arg(long)]
    epochs: Option<u32>,
    /// How many pairs make one step
    #[arg(long)]
    batch_size: Option<u32>,
    /// The peak learning rate
    #[arg(long)]
    learning_rate: Option<f64>,
    /// The same seed gives the same weights
    #[arg(long)]
    seed: Option<u64>,
    /// How the steps are written
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

impl TrainArguments {
    fn statement(&self) -> String {
        let mut arguments = vec![("name", literal(&self.name)), ("training_data_query", literal(&self.data))];
        let mut add = |name, value: Option<String>| arguments.extend(value.map(|value| (name, value)));
        add("validation_data_query", self.validation.as_deref().map(literal));
        add("base_model", self.base_model.as_deref().map(literal));
        add("r", self.r.map(|value| value.to_string()));
        add("lora_alpha", self.lora_alpha.map(|value| value.to_string()));
        add("epochs", self.epochs.map(|value| value.to_string()));
        add("batch_size", self.batch_size.map(|value| value.to_string()));
        add("learning_rate", self.learning_rate.map(|value| value.to_string()));
        add("seed", self.seed.map(|value| value.to_string()));
        let arguments: Vec<_> = arguments.iter().map(|(name, value)| format!("{name} => {value}")).collect();
        format!("CALL train_adapter({})", arguments.join(", "))
    }
}

pub(super) async fn run(config: &Config, command: AdapterCommand) -> Exit {
    let (sql, format) = match command {
        AdapterCommand::List { format } => {
            let columns = "name, version, tags, is_latest, base_model, rank, parameters, created_at";
            (format!("SELECT {columns} FROM adapters ORDER BY name, version"), format)
        }
        AdapterCommand::Show { name } => return model::show(config, "adapters", &name, "adapter").await,
        AdapterCommand::Train(arguments) => (arguments.statement(), arguments.format),
        AdapterCommand::Rm { name } => {
            (format!("CALL drop_adapter(name => {})", literal(&name)), OutputFormat::Table)
        }
    };
    run_statements(config, &sql, &mut *output::to_stdout(format)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: AdapterCommand,
    }

    #[test]
    fn training_arguments_become_a_call() {
        let line = ["x", "train", "it's", "--data", "SELECT 'a'", "--r", "8", "--learning-rate", "2e-4"];
        let AdapterCommand::Train(arguments) = <Line as clap::Parser>::parse_from(line).command else {
            panic!("another command");
        };
        assert_eq!(
            arguments.statement(),
            "CALL train_adapter(name => 'it''s', training_data_query => 'SELECT ''a''', r => 8, \
             learning_rate => 0.0002)"
        );
    }
}
