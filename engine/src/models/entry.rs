//! A model by name: its files and its runtime, opened and loaded when they are needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use hyprstream_models::{ModelFiles, Tokenizer};
use parking_lot::Mutex;

use crate::data_dir::MODELS;
use crate::error::Result;
use crate::models::bundled;
use crate::models::runtime::Runtime;
use crate::models::sizing::context_length;
use crate::options::{BUNDLED_MODEL, EngineOptions};
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

/// How often a model whose files change while it loads is opened again for one request.
const ATTEMPTS: usize = 3;

/// A model by name: its files and its runtime, each made anew once the files have changed.
///
/// A runtime answers with what its files held when it was loaded, until its last answer has ended. Requests that come
/// after a change get the next one.
#[derive(Debug)]
pub(crate) struct ModelEntry {
    pub(crate) name: String,
    options: Arc<EngineOptions>,
    statistics: Arc<Statistics>,
    /// Held while the files are opened.
    opening: Mutex<()>,
    /// Held while the runtime loads.
    loading: Mutex<()>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    files: Option<Arc<ModelFiles>>,
    /// Of these files.
    runtime: Option<Arc<Runtime>>,
    /// Runtimes of earlier files, for as long as they answer.
    earlier: Vec<Weak<Runtime>>,
}

impl Held {
    /// Takes other files. Returns the runtime of the present ones, unless they have the same content.
    fn replace_files(&mut self, files: &Arc<ModelFiles>) -> Option<Arc<Runtime>> {
        let before = self.files.replace(Arc::clone(files));
        if before.is_some_and(|before| before.content_hash() == files.content_hash()) {
            return None;
        }
        let runtime = self.runtime.take();
        self.earlier.retain(|runtime| runtime.strong_count() > 0);
        self.earlier.extend(runtime.as_ref().map(Arc::downgrade));
        runtime
    }
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
            options,
            statistics,
            opening: Mutex::new(()),
            loading: Mutex::new(()),
            held: Mutex::new(Held { path, files: None, runtime: None, earlier: Vec::new() }),
        }
    }

    /// Whether there is something at the model's path.
    pub(crate) fn exists(&self) -> bool {
        let path = self.path();
        is_bundled(&self.options, &path) || path.exists()
    }

    /// Has the files looked for elsewhere the next time they are opened.
    pub(crate) fn move_to(&self, path: PathBuf) {
        self.held.lock().path = path;
    }

    fn path(&self) -> PathBuf {
        self.held.lock().path.clone()
    }

    /// The files that are open, if they are still what is at the path.
    fn current_files(&self) -> Option<Arc<ModelFiles>> {
        let (files, path) = {
            let held = self.held.lock();
            (held.files.clone()?, held.path.clone())
        };
        (files.path() == path && files.is_current()).then_some(files)
    }

    /// The model's files, opened and validated on first use and after each change. Blocks.
    pub(crate) fn files(&self) -> Result<Arc<ModelFiles>> {
        if let Some(files) = self.current_files() {
            return Ok(files);
        }
        let _opening = self.opening.lock();
        if let Some(files) = self.current_files() {
            return Ok(files);
        }
        let path = self.path();
        if is_bundled(&self.options, &path) {
            bundled::materialise(&path)?;
        }
        let files = Arc::new(ModelFiles::open(&path)?);
        let outdated = self.held.lock().replace_files(&files);
        if let Some(runtime) = outdated {
            let (model, before, now) = (&self.name, runtime.hash.short(), files.content_hash().short());
            tracing::info!(model, before, now, "the model's files have changed; requests get the new model");
        }
        Ok(files)
    }

    /// Tokens of prompt and answer that a request may have. Blocks while the files are opened.
    pub(crate) fn context_length(&self) -> Result<u32> {
        Ok(context_length(&self.options, self.files()?.config()))
    }

    /// The tokenizer with the hashes that the model goes by, if the files are open.
    pub(crate) fn opened_tokenizer(&self) -> Option<([String; 2], Arc<Tokenizer>)> {
        let files = self.held.lock().files.clone()?;
        let hashes = [files.hash_before_templates(), files.content_hash()].map(|hash| hash.to_string());
        Some((hashes, files.tokenizer()))
    }

    /// The runtime, if it is in memory, whether or not its files have changed since.
    pub(crate) fn loaded(&self) -> Option<Arc<Runtime>> {
        self.held.lock().runtime.clone()
    }

    /// The runtime that a new request gets, if it is in memory.
    pub(crate) fn ready(&self) -> Option<Arc<Runtime>> {
        self.current_files()?;
        self.loaded()
    }

    /// The runtime that a new request gets, loaded on first use and after each change of the files. Blocks.
    pub(crate) fn load(&self) -> Result<Arc<Runtime>> {
        let _loading = self.loading.lock();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let files = self.files()?;
            if let Some(runtime) = self.loaded() {
                return Ok(runtime);
            }
            let loaded = Runtime::load(&self.name, Arc::clone(&files), &self.options, &self.statistics);
            if attempts < ATTEMPTS && !files.is_current() {
                continue;
            }
            let runtime = Arc::new(loaded?);
            let mut held = self.held.lock();
            // Someone may have opened other files meanwhile; then this runtime answers this request alone.
            let is_present = held.files.as_ref().is_some_and(|held| held.content_hash() == runtime.hash);
            if is_present {
                held.runtime = Some(Arc::clone(&runtime));
            } else {
                held.earlier.push(Arc::downgrade(&runtime));
            }
            return Ok(runtime);
        }
    }

    /// Ends the decode threads.
    pub(crate) fn close(&self) {
        let (runtime, earlier) = {
            let mut held = self.held.lock();
            (held.runtime.take(), std::mem::take(&mut held.earlier))
        };
        let earlier = earlier.iter().filter_map(Weak::upgrade);
        runtime.into_iter().chain(earlier).for_each(|runtime| runtime.close());
    }

    /// The model as the table shows it. Opens its files if they are not yet.
    pub(crate) fn row(&self, is_default: bool) -> ModelRow {
        let mut row = ModelRow {
            name: self.name.clone(),
            architecture: String::new(),
            hash: String::new(),
            path: self.path().display().to_string(),
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
        // An answer may still come from files that were there before.
        if let Some(runtime) = self.loaded().filter(|runtime| runtime.hash.to_string() == row.hash) {
            row.loaded = true;
            row.weights = Some(runtime.weights_name().to_owned());
            row.resident_bytes = runtime.resident_bytes();
        }
        row
    }
}

/// Whether a path is where the program keeps the model that comes with it.
fn is_bundled(options: &EngineOptions, path: &Path) -> bool {
    path == options.data_dir.join(MODELS).join(BUNDLED_MODEL)
}
