//! A recorded answer: what is known before its first token, what at its end, and the rows it is shown as.

use serde::{Deserialize, Serialize};

/// What is known of a recorded request before its first token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(skip)]
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    #[serde(rename = "session")]
    pub(crate) conversation: Option<String>,
    pub(crate) model: String,
    pub(crate) model_hash: String,
    pub(crate) adapter: Option<String>,
    pub(crate) parameters: String,
    pub(crate) prompt: String,
    pub(crate) prompt_tokens: u32,
    pub(crate) provenance: String,
}

/// What is known at its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) completion: String,
    pub(crate) finish_reason: String,
    pub(crate) time_to_first_token_ms: f64,
    pub(crate) total_ms: f64,
    #[serde(skip)]
    pub(crate) token_ids: Vec<u32>,
    #[serde(skip)]
    pub(crate) logprobs: Vec<f32>,
}

/// A recorded answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryRow {
    /// Its number; later answers have greater ones, also across restarts.
    pub id: u64,
    /// When the request was made, in microseconds since the Unix epoch.
    pub created_at: i64,
    /// The conversation it belongs to.
    pub conversation: Option<String>,
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
