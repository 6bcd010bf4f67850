//! Runs and their steps, as the tables show them and as they are kept.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a training run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It is training.
    Running,
    /// It published its version.
    Completed,
    /// Its caller cancelled it.
    Cancelled,
    /// It stopped with an error.
    Failed,
    /// The process ended while it was training.
    Interrupted,
}

impl RunStatus {
    /// The name used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A training run; kept in the weight store as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRunRow {
    /// Its number.
    pub run_id: u64,
    /// The adapter it trains.
    pub adapter: String,
    /// Name of the base model.
    pub base_model: String,
    /// Content hash of the base model.
    pub base_hash: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it was started, in microseconds since the Unix epoch.
    pub started_at: i64,
    /// When it ended, likewise.
    pub finished_at: Option<i64>,
    /// The query its data came from.
    pub data_query: String,
    /// Hash of its data.
    pub dataset_hash: String,
    /// Hyperparameters as JSON.
    pub hyperparameters: String,
    /// Examples it trains on.
    pub examples: u64,
    /// Rows left out because prompt or completion was NULL.
    pub skipped: u64,
    /// Steps made.
    pub steps: u64,
    /// Steps planned.
    pub total_steps: u64,
    /// Mean loss of the last epoch so far, in nats a token.
    pub train_loss: Option<f32>,
    /// Last loss on the validation data.
    pub val_loss: Option<f32>,
    /// The version it published.
    pub version: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// One step of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingStepRow {
    /// The run.
    pub run_id: u64,
    /// The step, from 1.
    pub step: u64,
    /// Epochs finished after this step, with its fraction.
    pub epoch: f32,
    /// Mean cross-entropy of the step's completion tokens, in nats.
    pub loss: f32,
    /// Loss on the validation data, where it was measured after this step.
    pub val_loss: Option<f32>,
    /// Learning rate of the step.
    pub learning_rate: f32,
    /// Norm of the gradient before clipping.
    pub grad_norm: f32,
    /// Tokens trained a second so far.
    pub tokens_per_s: f32,
    /// Milliseconds since the run began.
    pub elapsed_ms: f64,
}
