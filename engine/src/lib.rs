//! Which model and adapter answers: scheduling, sessions, recording, training runs.
//!
//! The engine is the one object that every door of the program talks to. It knows nothing of SQL, Arrow or
//! sockets: requests and rows are plain Rust structs.
//!
//! Invariants:
//! - A [`Generation`] or a [`TrainingRun`] owns its work: dropping it stops the work within one decode or one step.
//! - Whatever an answer came from is named by content: model hash, adapter version hash, parameters, prompt.
//! - An adapter answers only from the base it was trained on; any other base is refused with both hashes.
//! - A published version never changes; restoring or branching publishes another one.

mod adapter_cache;
mod adapter_files;
mod adapter_name;
mod adapter_store;
mod adapters;
mod answering;
mod bundled_model;
mod checkpoints;
mod clock;
mod definitions;
mod embed;
mod engine;
mod errors;
mod generation;
mod grid_statistics;
mod integrity;
mod nearest;
mod options;
mod places;
mod prompt;
mod recording;
mod registry;
mod rows;
mod runtime;
mod salvage;
mod scheduler;
mod score;
mod sessions;
mod settings;
mod space;
mod statistics;
#[cfg(test)]
mod tests;
mod tokens;
mod training;
mod trajectory_embeddings;
mod weights;

pub use adapter_files::{AdapterFormat, ExportedAdapter, ImportRequest, record_path};
pub use adapters::RestoreSource;
pub use hyprstream_models::SamplingOptions;

pub use definitions::TableDefinitions;
pub use embed::{EmbedRequest, Embedding};
pub use engine::{Engine, Holder};
pub use errors::{Error, Fault, Result};
pub use generation::{Completion, FinishReason, GenerateRequest, GeneratedToken, Generation};
pub use grid_statistics::GridStatisticsRow;
pub use integrity::{DamageRow, VerifiedStore};
pub use options::{EngineOptions, WeightPreference};
pub use rows::{
    AdapterRow, CheckpointRow, ModelRow, RunStatus, SessionRow, TrainingRunRow, TrainingStepRow,
    TrajectoryFilter, TrajectoryRow, TrajectoryTokenRow,
};
pub use salvage::{SalvagedStore, salvage};
pub use score::{Score, ScoreRequest};
pub use settings::SettingRow;
pub use space::{CompactedStore, FrozenFormat, RecodedAdapter};
pub use statistics::StatisticRow;
pub use training::{TrainRequest, TrainingEvent, TrainingRun};
pub use weights::{MatrixKind, WeightBatch, WeightDifferenceBatch, WeightFilter};
