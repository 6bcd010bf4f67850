//! The system tables: what the engine knows, as rows. One file a table, named as the table is.
//!
//! A system table is a file with a [`Table`](table::Table), which says its columns and how its rows are read, and a line
//! in [`TABLES`]. What a filter says of a column is in the reading's scan, so that the engine's call can be as narrow;
//! filters, projection and limit are applied to whatever rows it gives. `docs/sql.md` names every table and column.

mod adapters;
mod checkpoints;
mod grid_statistics;
mod models;
mod sessions;
mod settings;
mod statistics;
mod table;
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

use table::SystemTable;

static TABLES: [&dyn SystemTable; 11] = [
    &adapters::ADAPTERS,
    &checkpoints::CHECKPOINTS,
    &grid_statistics::GRID_STATISTICS,
    &models::MODELS,
    &sessions::SESSIONS,
    &settings::SETTINGS,
    &statistics::STATISTICS,
    &training_runs::TRAINING_RUNS,
    &training_steps::TRAINING_STEPS,
    &trajectories::TRAJECTORIES,
    &trajectory_tokens::TRAJECTORY_TOKENS,
];

/// The schema of the system tables.
#[derive(Debug)]
pub(crate) struct SystemTables {
    tables: BTreeMap<&'static str, Arc<dyn TableProvider>>,
}

impl SystemTables {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        Self { tables: TABLES.iter().map(|table| (table.name(), table.provider(engine))).collect() }
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
