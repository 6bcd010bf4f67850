//! A model by name: its files, opened once, and its runtime, loaded once.

use std::path::PathBuf;
use std::sync::Arc;

use hyprstream_models::{ModelFiles, Tokenizer};
use parking_lot::Mutex;

use crate::error::Result;
use crate::models::runtime::Runtime;
use crate::models::sizing::context_length;
use crate::options::EngineOptions;
use crate::statistics::Statistics;

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

/// A model by name: its files and its runtime, each made once.
#[derive(Debug)]
pub(crate) struct ModelEntry {
    pub(crate) name: String,
    path: PathBuf,
    options: Arc<EngineOptions>,
    statistics: Arc<Statistics>,
    files: Mutex<Option<Arc<ModelFiles>>>,
    /// Held while the runtime loads.
    loading: Mutex<()>,
    runtime: Mutex<Option<Arc<Runtime>>>,
}

impl ModelEntry {
    pub(crate) fn new(
        name: &str,
        path: PathBuf,
        options: Arc<EngineOptions>,
        statistics: Arc<Statistics>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            path,
            options,
            statistics,
            files: Mutex::new(None),
            loading: Mutex::new(()),
            runtime: Mutex::new(None),
        }
    }

    /// The model's files, opened and validated on first use. Blocks.
    pub(crate) fn files(&self) -> Result<Arc<ModelFiles>> {
        let mut files = self.files.lock();
        if let Some(files) = files.as_ref() {
            return Ok(Arc::clone(files));
        }
        let opened = Arc::new(ModelFiles::open(&self.path)?);
        *files = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Tokens of prompt and answer that a request may have. Blocks while the files are opened.
    pub(crate) fn context_length(&self) -> Result<u32> {
        Ok(context_length(&self.options, self.files()?.config()))
    }

    /// The tokenizer, if the files are open.
    pub(crate) fn opened_tokenizer(&self) -> Option<(String, Arc<Tokenizer>)> {
        let files = self.files.lock().clone()?;
        Some((files.content_hash().to_string(), files.tokenizer()))
    }

    /// The runtime, if it is in memory.
    pub(crate) fn loaded(&self) -> Option<Arc<Runtime>> {
        self.runtime.lock().clone()
    }

    /// The runtime, loaded on first use. Blocks.
    pub(crate) fn load(&self) -> Result<Arc<Runtime>> {
        let _loading = self.loading.lock();
        if let Some(runtime) = self.loaded() {
            return Ok(runtime);
        }
        let runtime = Arc::new(Runtime::load(&self.name, self.files()?, &self.options, &self.statistics)?);
        *self.runtime.lock() = Some(Arc::clone(&runtime));
        Ok(runtime)
    }

    /// Ends the decode thread.
    pub(crate) fn close(&self) {
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.close();
        }
    }

    /// The model as the table shows it. Opens its files if they are not yet.
    pub(crate) fn row(&self, is_default: bool) -> ModelRow {
        let mut row = ModelRow {
            name: self.name.clone(),
            architecture: String::new(),
            hash: String::new(),
            path: self.path.display().to_string(),
            parameters: 0,
            layers: 0,
            embedding_length: 0,
            vocab_size: 0,
            context_length: 0,
            weights: None,
            loaded: false,
            resident_bytes: 0,
            is_default,
            error: None,
        };
        match self.files() {
            Ok(files) => {
                let config = files.config();
                row.architecture = format!("{:?}", config.architecture).to_lowercase();
                row.hash = files.content_hash().to_string();
                row.parameters = config.parameters();
                row.layers = config.num_hidden_layers as u32;
                row.embedding_length = config.hidden_size as u32;
                row.vocab_size = config.vocab_size as u32;
                row.context_length = context_length(&self.options, config);
            }
            Err(error) => row.error = Some(error.to_string()),
        }
        if let Some(runtime) = self.loaded() {
            row.loaded = true;
            row.weights = Some(runtime.weights_name().to_owned());
            row.resident_bytes = runtime.resident_bytes();
        }
        row
    }
}
