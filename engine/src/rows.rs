//! The rows of the tables, and the filters that are applied before a row is made.
//!
//! All times are microseconds since the Unix epoch, UTC.

use std::fmt;
use std::ops::RangeInclusive;

/// A model that can answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// The name that requests use.
    pub name: String,
    /// `llama`, `qwen2` or `qwen3`; empty when the files are unusable.
    pub architecture: String,
    /// Content hash; empty when the files are unusable.
    pub hash: String,
    /// Directory or file it is read from.
    pub path: String,
    /// Weights in all.
    pub parameters: u64,
    /// Hidden layers.
    pub layers: u32,
    /// Length of its embeddings.
    pub embedding_length: u32,
    /// Entries of its vocabulary.
    pub vocab_size: u32,
    /// Tokens of prompt and answer that a request may have.
    pub context_length: u32,
    /// Type of the weights that answer (`f32`, `q8_0`, …); `None` while not loaded.
    pub weights: Option<String>,
    /// Whether it is in memory.
    pub loaded: bool,
    /// Bytes of weights and key-value cache it holds in memory.
    pub resident_bytes: u64,
    /// Whether requests that name no model get this one.
    pub is_default: bool,
    /// Why its files cannot be used, when they cannot.
    pub error: Option<String>,
}

/// One version of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterRow {
    /// The adapter's name.
    pub name: String,
    /// The version, from 1.
    pub version: u64,
    /// Tags that point at this version.
    pub tags: Vec<String>,
    /// Whether the bare name means this version.
    pub is_latest: bool,
    /// Name of the model it was trained on.
    pub base_model: String,
    /// Content hash of that model.
    pub base_hash: String,
    /// Content hash of the adapter's own weights.
    pub hash: String,
    /// Rank.
    pub rank: u32,
    /// Alpha; the weights are scaled by alpha / rank.
    pub alpha: f32,
    /// PEFT names of the modules it changes.
    pub target_modules: Vec<String>,
    /// Values in its matrices.
    pub parameters: u64,
    /// When it was published.
    pub created_at: i64,
    /// The training run that made it.
    pub run_id: Option<u64>,
    /// What it was restored, branched or imported from, as `name@version`, `checkpoint N` or `file NAME`.
    pub parent: Option<String>,
    /// The query its training data came from.
    pub data_query: Option<String>,
    /// Hash of its training data.
    pub dataset_hash: Option<String>,
    /// Hyperparameters as JSON.
    pub hyperparameters: Option<String>,
    /// Mean loss of its last epoch, in nats a token.
    pub train_loss: Option<f32>,
    /// Loss on the validation data, in nats a token.
    pub val_loss: Option<f32>,
}

/// A training run's weights with its optimiser state, kept while the run goes on and after.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointRow {
    /// Identifies it for `restore_adapter`.
    pub id: u64,
    /// The run it belongs to.
    pub run_id: Option<u64>,
    /// The adapter that is trained.
    pub adapter: String,
    /// Step at which it was taken.
    pub step: u64,
    /// Loss at that step.
    pub loss: Option<f32>,
    /// Content hash of the base model.
    pub base_hash: String,
    /// Whether it holds the optimiser's state.
    pub has_optimizer: bool,
    /// When it was taken.
    pub created_at: i64,
}

/// How a training run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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

/// A training run.
#[derive(Debug, Clone, PartialEq)]
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
    /// When it was started.
    pub started_at: i64,
    /// When it ended.
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
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
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

/// A recorded answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryRow {
    /// Its number; later answers have greater ones, also across restarts.
    pub id: u64,
    /// When the request was made.
    pub created_at: i64,
    /// The conversation it belongs to.
    pub session: Option<String>,
    /// Name of the model.
    pub model: String,
    /// Content hash of the model.
    pub model_hash: String,
    /// The adapter stack with its versions, `name@version`.
    pub adapter: Option<String>,
    /// Sampling parameters as JSON.
    pub parameters: String,
    /// The prompt as the caller gave it.
    pub prompt: String,
    /// The answer.
    pub completion: String,
    /// Ids of the answer's tokens.
    pub token_ids: Vec<u32>,
    /// Log-probability of each of them under the distribution it was sampled from.
    pub logprobs: Vec<f32>,
    /// Tokens of the prompt, chat template included.
    pub prompt_tokens: u32,
    /// Tokens generated; more than `token_ids` has when records were dropped.
    pub completion_tokens: u32,
    /// Milliseconds to the first token.
    pub time_to_first_token_ms: f64,
    /// Milliseconds in all.
    pub total_ms: f64,
    /// Why it ended: `stop`, `length` or `cancelled`.
    pub finish_reason: String,
    /// Names what the answer came from.
    pub provenance: String,
    /// The prompt's embedding by the model that answered; `None` where there is none yet, or none was asked for.
    pub embedding: Option<Vec<f32>>,
}

/// One token of a recorded answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryTokenRow {
    /// The trajectory.
    pub trajectory_id: u64,
    /// Position in the answer, from 0.
    pub index: u32,
    /// Id in the vocabulary.
    pub token_id: u32,
    /// Text of the token; a part of a character shows as U+FFFD. `None` when the model is gone.
    pub token: Option<String>,
    /// Its log-probability.
    pub logprob: f32,
}

/// Which trajectories, in which order, how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrajectoryFilter {
    /// Only ids in this range.
    pub ids: Option<RangeInclusive<u64>>,
    /// Only this session.
    pub session: Option<String>,
    /// Newest first; else oldest first.
    pub newest_first: bool,
    /// With their embeddings.
    pub embeddings: bool,
    /// At most this many trajectories (for tokens: this many token rows).
    pub limit: Option<usize>,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Its name.
    pub name: String,
    /// When its first request was made.
    pub created_at: i64,
    /// When its last request was made.
    pub last_used_at: i64,
    /// Model of its last request.
    pub model: String,
    /// Answers so far.
    pub turns: u64,
    /// Tokens of all its prompts.
    pub prompt_tokens: u64,
    /// Tokens of all its answers.
    pub completion_tokens: u64,
}
