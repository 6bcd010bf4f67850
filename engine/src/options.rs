//! How an engine is opened, and what it falls back on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The model that comes with the program.
pub(crate) const BUNDLED_MODEL: &str = "bundled";

/// In which type a model's weights are kept in memory for answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightPreference {
    /// f32 when that takes at most 64 MiB, else as the files store them.
    #[default]
    Auto,
    /// As the files store them.
    Stored,
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// bfloat16.
    Bf16,
    /// 8-bit blocks with a scale.
    Q8_0,
}

/// How an engine is opened; every `None` is chosen from the machine and the model.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The directory that holds models, adapters, trajectories, tables and settings.
    pub data_dir: PathBuf,
    /// The model that answers when a request names none; `None` is the persisted setting, else `bundled`.
    pub default_model: Option<String>,
    /// Models outside `<data-dir>/models`: name to a Hugging Face directory or a `.gguf` file.
    pub models: BTreeMap<String, PathBuf>,
    /// Threads that answer.
    pub threads: Option<usize>,
    /// Threads that train.
    pub training_threads: Option<usize>,
    /// Sequences that one model decodes side by side.
    pub max_sequences: Option<u32>,
    /// Tokens of prompt and answer that one sequence may hold.
    pub context_length: Option<u32>,
    /// Bytes of key-value cache that one model may hold.
    pub kv_memory: Option<u64>,
    /// Bytes of adapters kept ready beside each model.
    pub adapter_memory: u64,
    /// Requests that may wait for one model before further ones wait outside.
    pub queue_capacity: usize,
    /// Records that the recording ring holds.
    pub recording_capacity: usize,
    /// In which type weights are kept.
    pub weights: WeightPreference,
    /// How often a training run writes a checkpoint.
    pub checkpoint_interval: Duration,
}

impl EngineOptions {
    /// The defaults over the given data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), ..Self::default() }
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("hyprstream-data"),
            default_model: None,
            models: BTreeMap::new(),
            threads: None,
            training_threads: None,
            max_sequences: None,
            context_length: None,
            kv_memory: None,
            adapter_memory: 256 << 20,
            queue_capacity: 1024,
            recording_capacity: 1 << 16,
            weights: WeightPreference::Auto,
            checkpoint_interval: Duration::from_secs(30),
        }
    }
}
