//! How a data directory is opened under a configuration.

use hyprstream_engine::EngineOptions;
use hyprstream_sql::DatabaseOptions;

use crate::config::options::Config;

/// How the engine is opened.
pub(crate) fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        default_model: config.default_model.clone(),
        threads: config.threads,
        training_threads: config.threads,
        weights: config.weights,
        context_length: config.context_length.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
        ..EngineOptions::new(&config.data_dir)
    }
}

/// How the database over the engine is opened.
pub(crate) fn database_options(config: &Config) -> DatabaseOptions {
    DatabaseOptions { file_directories: config.file_directories.clone() }
}
