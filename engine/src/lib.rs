//! Which model and adapter answers: scheduling, conversations, recording, training runs.
//!
//! The [`Engine`] is the one object that every server and command of the program talks to. It knows nothing of SQL,
//! Arrow or sockets: requests and rows are plain Rust structs. `engine.rs` shows all that it can do; each method is a
//! line or two over one of the modules below it, and none of them knows the engine.
//!
//! Invariants:
//! - A [`Generation`] or a [`TrainingRun`] owns its work: dropping it stops the work within one decode or one step.
//! - Whatever an answer came from is named by content: model hash, adapter version hash, parameters, prompt.
//! - An adapter answers only from the base it was trained on; any other base is refused with both hashes.
//! - A published version never changes; restoring or branching publishes another one.

mod adapter_files;
mod adapters;
mod answering;
mod blocking;
mod boolean;
mod call;
mod catalog;
mod clock;
mod data_dir;
mod engine;
mod error;
mod json;
pub mod limits;
mod models;
mod nearest;
mod options;
mod recording;
mod requests;
mod scheduler;
mod statistics;
mod stored_number;
#[cfg(test)]
mod tests;
mod training;
mod trajectories;
mod upkeep;

pub use hyprstream_models::SamplingOptions;
pub use hyprstream_storage::{Error as StorageError, PartDirectory, PartReader, PartRecord, PartWriter};

pub use adapter_files::format::AdapterFormat;
pub use adapter_files::import::ImportRequest;
pub use adapter_files::nvdb::ExportedAdapter;
pub use adapter_files::record::record_path;
pub use adapters::checkpoints::CheckpointRow;
pub use adapters::versions::{AdapterRow, RestoreSource};
pub use adapters::weights::{MatrixKind, WeightBatch, WeightDifferenceBatch, WeightFilter};
pub use answering::answer_stream::Generation;
pub use boolean::parse_boolean;
pub use call::{CallContext, ClientId, Usage, WorkClass};
pub use catalog::conversations::ConversationRow;
pub use catalog::settings::SettingRow;
pub use catalog::tables::{NewPart, StoredPart, TableCatalog, TableEntry};
pub use engine::Engine;
pub use error::{Error, Result};
pub use models::entry::ModelRow;
pub use nearest::{nearest, suggestion};
pub use options::{EngineOptions, WeightPreference};
pub use recording::trajectory::{TrajectoryRow, TrajectoryTokenRow};
pub use requests::embed::{EmbedRequest, Embedding};
pub use requests::generate::{Completion, FinishReason, GenerateRequest, GeneratedToken};
pub use requests::score::{Score, ScoreRequest};
pub use statistics::StatisticRow;
pub use training::events::{TrainingEvent, TrainingRun};
pub use training::request::TrainRequest;
pub use training::rows::{RunStatus, TrainingRunRow, TrainingStepRow};
pub use trajectories::scan::TrajectoryFilter;
pub use upkeep::backup::BackupReport;
pub use upkeep::compact::CompactedStore;
pub use upkeep::damage::DamageRow;
pub use upkeep::freeze::{FrozenFormat, RecodedAdapter};
pub use upkeep::grid_statistics::GridStatisticsRow;
pub use upkeep::restore::restore;
pub use upkeep::salvage::{SalvagedStore, salvage};
pub use upkeep::verify::VerifiedStore;
