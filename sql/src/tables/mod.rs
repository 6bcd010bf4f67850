//! The system tables: what the engine knows, as rows. One file a table.
//!
//! A filter, a projection and a limit go down to the engine's call: what a filter on a key says narrows the call
//! itself, the rest is applied before a row leaves the table.

mod adapters;
mod checkpoints;
mod columns;
mod exec;
mod grid_statistics;
mod models;
mod narrow;
mod sessions;
mod settings;
mod source;
mod statistics;
mod training_runs;
mod training_steps;
mod trajectories;
mod trajectory_tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::Result;
use hyprstream_engine::Engine;

use source::SystemTable;

/// The schema of the system tables.
#[derive(Debug)]
pub(crate) struct SystemTables {
    tables: BTreeMap<&'static str, Arc<dyn TableProvider>>,
}

impl SystemTables {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        let tables: Vec<(&'static str, Arc<dyn TableProvider>)> = vec![
            SystemTable::<adapters::Adapters>::provider(engine),
            SystemTable::<checkpoints::Checkpoints>::provider(engine),
            SystemTable::<grid_statistics::GridStatistics>::provider(engine),
            SystemTable::<models::Models>::provider(engine),
            SystemTable::<sessions::Sessions>::provider(engine),
            SystemTable::<settings::Settings>::provider(engine),
            SystemTable::<statistics::Statistics>::provider(engine),
            SystemTable::<training_runs::TrainingRuns>::provider(engine),
            SystemTable::<training_steps::TrainingSteps>::provider(engine),
            SystemTable::<trajectories::Trajectories>::provider(engine),
            SystemTable::<trajectory_tokens::TrajectoryTokens>::provider(engine),
        ];
        Self { tables: tables.into_iter().collect() }
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tables.keys().map(|name| (*name).to_owned()).collect()
    }
}

#[async_trait]
impl SchemaProvider for SystemTables {
    fn table_names(&self) -> Vec<String> {
        self.names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.tables.get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }
}
