//! What a training run is asked for with.

/// A request to train an adapter; every `None` takes the default for the base model. Names are PEFT's.
#[derive(Debug, Clone, Default)]
pub struct TrainRequest {
    /// The adapter whose next version is published.
    pub name: String,
    /// The model to train on; `None` is the default one.
    pub base_model: Option<String>,
    /// Prompts and completions to train on.
    pub pairs: Vec<(String, String)>,
    /// Prompts and completions to measure on after each epoch; may be empty.
    pub validation: Vec<(String, String)>,
    /// Rows of the training query that were left out because prompt or completion was NULL.
    pub skipped: u64,
    /// The query the pairs came from, kept with the version.
    pub data_query: String,
    /// Rank.
    pub r: Option<u32>,
    /// Alpha; the weights are scaled by alpha / r.
    pub lora_alpha: Option<f32>,
    /// PEFT names of modules, or `all-linear`.
    pub target_modules: Option<Vec<String>>,
    /// Dropout before A.
    pub lora_dropout: Option<f32>,
    /// Peak learning rate.
    pub learning_rate: Option<f32>,
    /// Passes over the pairs.
    pub epochs: Option<u32>,
    /// Pairs a step.
    pub batch_size: Option<u32>,
    /// The most tokens that a row may have.
    pub max_seq_len: Option<u32>,
    /// `linear`, `cosine` or `constant`.
    pub lr_scheduler_type: Option<String>,
    /// Share of the steps in which the learning rate rises.
    pub warmup_ratio: Option<f32>,
    /// Gradients are scaled down to this norm.
    pub max_grad_norm: Option<f32>,
    /// Decoupled weight decay.
    pub weight_decay: Option<f32>,
    /// Share of the weights of each matrix that is held at zero, at least 0 and below 1.
    pub sparsity: Option<f32>,
    /// Weight of the penalty for leaving earlier tasks' weights; only 0 is available.
    pub ewc_lambda: Option<f32>,
    /// Seed of initialisation, order and dropout; `None` is 0.
    pub seed: Option<u64>,
}
