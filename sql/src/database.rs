//! The database: what all sessions share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::config::{ConfigOptions, Dialect};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::setup_pg_catalog;
use hyprstream_engine::Engine;
use hyprstream_udfs::{
    STREAMING_FUNCTIONS, Settings, scalar_functions, stored_functions, streaming_functions,
};
use parking_lot::Mutex;

use crate::catalog::{self, DATABASE, USER_SCHEMA};
use crate::classify::KnownNames;
use crate::error::{Error, Result};
use crate::functions;
use crate::planner::bytea::ByteaFromText;
use crate::planner::hoist::HoistInference;
use crate::planner::model_rows::lateral::LateralRule;
use crate::planner::model_rows::relation::RelationPlanning;
use crate::planner::query_planner::QueryPlanning;
use crate::planner::unused_calls::DropUnusedCalls;
use crate::tables::SystemTables;
use crate::user_tables::external::FilePaths;
use crate::user_tables::merge::Merging;
use crate::user_tables::store::UserTables;

/// How a database is opened.
#[derive(Debug, Clone, Default)]
pub struct DatabaseOptions {
    /// Directories besides `<data-dir>/files` that SQL may read and write files in.
    pub file_directories: Vec<PathBuf>,
}

/// What all sessions share: the engine, the tables, the functions.
#[derive(Debug)]
pub struct Database {
    engine: Arc<Engine>,
    pub(crate) tables: Arc<UserTables>,
    pub(crate) system: Arc<SystemTables>,
    pub(crate) files: FilePaths,
    state: SessionState,
    /// What the catalog plans defaults and external tables with; it lives as long as this does.
    _planner: Arc<OnceLock<SessionState>>,
    sessions: AtomicU64,
    merging: Mutex<Option<Merging>>,
}

impl Database {
    /// Opens the tables of the engine's data directory, and sets aside what an interrupted statement left behind.
    pub fn try_new(engine: Arc<Engine>, options: &DatabaseOptions) -> Result<Arc<Self>> {
        let files = FilePaths::try_new(&engine.files_dir(), &options.file_directories)?;
        let tables = Arc::new(UserTables::open(Arc::clone(&engine))?);
        let system = Arc::new(SystemTables::new(&engine));
        let planner = Arc::new(OnceLock::new());
        let state = state(&engine, &tables, &system, &planner, &files)
            .map_err(|e| Error::internal(e.strip_backtrace()))?;
        let _ = planner.set(state.clone());
        let merging = Mutex::new(Some(Merging::start(&tables)?));
        Ok(Arc::new(Self {
            engine,
            tables,
            system,
            files,
            state,
            _planner: planner,
            sessions: AtomicU64::new(0),
            merging,
        }))
    }

    /// The engine under this database.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// A number from 1 that no other session of this database has.
    pub(crate) fn next_session_number(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What a statement is planned with, before its session changes it.
    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }
}

impl Drop for Database {
    /// Parts are no longer merged, so that nothing holds the engine.
    ///
    /// The Postgres catalog holds the list of catalogs, which holds the Postgres catalog. Without this neither would
    /// ever be dropped, and the engine would keep its directory.
    fn drop(&mut self) {
        drop(self.merging.lock().take());
        if let Some(catalog) = self.state.catalog_list().catalog(DATABASE) {
            for schema in catalog.schema_names() {
                let _ = catalog.deregister_schema(&schema, true);
            }
        }
    }
}

impl KnownNames for Database {
    fn tables(&self) -> Vec<String> {
        self.tables.names().into_iter().chain(self.system.names()).collect()
    }

    fn functions(&self) -> Vec<String> {
        let scalar = self.state.scalar_functions().keys();
        let aggregate = self.state.aggregate_functions().keys();
        scalar.chain(aggregate).chain(self.state.window_functions().keys()).cloned().collect()
    }

    fn table_functions(&self) -> Vec<String> {
        let ours = STREAMING_FUNCTIONS.iter().map(|entry| entry.function.name.to_owned());
        self.state.table_functions().keys().cloned().chain(ours).collect()
    }
}

fn state(
    engine: &Arc<Engine>,
    tables: &Arc<UserTables>,
    system: &Arc<SystemTables>,
    planner: &Arc<OnceLock<SessionState>>,
    files: &FilePaths,
) -> datafusion::common::Result<SessionState> {
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config())
        .with_query_planner(Arc::new(QueryPlanning))
        .with_analyzer_rule(Arc::new(ByteaFromText))
        .with_analyzer_rule(Arc::new(LateralRule))
        .with_analyzer_rule(Arc::new(HoistInference))
        .with_optimizer_rule(Arc::new(DropUnusedCalls))
        .build();
    let context = SessionContext::new_with_state(state);
    context.register_catalog(DATABASE, catalog::catalog(tables, system, planner, files)?);
    setup_pg_catalog(&context, DATABASE, EmptyContextProvider).map_err(|e| *e)?;
    context.register_relation_planner(Arc::new(RelationPlanning::new(streaming_functions(engine))))?;
    for function in scalar_functions(engine, &Settings::default()) {
        context.register_udf(function);
    }
    for function in functions::shared_functions() {
        context.register_udf(function);
    }
    for (name, function) in stored_functions(engine) {
        context.register_udtf(name, function);
    }
    Ok(context.state())
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(DATABASE, USER_SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let options: &mut ConfigOptions = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    // Clients of both protocols know plain strings; many fail on views.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options.extensions.insert(Settings::default());
    config
}
