//! Which models there are, and which of them are in memory.
//!
//! A model is named by its directory (or `.gguf` file) under `<data-dir>/models`, or by the configuration. Its
//! files are opened when something first asks for them, its runtime when something first wants an answer; whoever
//! asks meanwhile waits for the same load.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_models::{ModelFiles, Tokenizer};
use parking_lot::Mutex;

use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::nearest::nearest;
use crate::options::EngineOptions;
use crate::rows::ModelRow;
use crate::runtime::{Runtime, RuntimeOptions};
use crate::statistics::Statistics;

/// The model that comes with the program.
pub(crate) const BUNDLED: &str = "bundled";

#[derive(Debug)]
pub(crate) struct Registry {
    models_dir: PathBuf,
    configured: BTreeMap<String, PathBuf>,
    options: Arc<RuntimeOptions>,
    statistics: Arc<Statistics>,
    slots: Mutex<HashMap<String, Arc<ModelSlot>>>,
}

/// A model by name: its files and its runtime, each made once.
#[derive(Debug)]
pub(crate) struct ModelSlot {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    options: Arc<RuntimeOptions>,
    statistics: Arc<Statistics>,
    files: Mutex<Option<Arc<ModelFiles>>>,
    /// Held while the runtime loads.
    loading: Mutex<()>,
    runtime: Mutex<Option<Arc<Runtime>>>,
}

impl Registry {
    pub(crate) fn new(options: &EngineOptions, statistics: Arc<Statistics>) -> Self {
        Self {
            models_dir: options.data_dir.join("models"),
            configured: options.models.clone(),
            options: Arc::new(RuntimeOptions::new(options)),
            statistics,
            slots: Mutex::new(HashMap::new()),
        }
    }

    /// Every name with the path of its files.
    fn names(&self) -> Result<BTreeMap<String, PathBuf>> {
        let mut names = BTreeMap::new();
        let entries = match fs::read_dir(&self.models_dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.configured.clone()),
            Err(error) => return Err(Error::io("list", &self.models_dir)(error)),
        };
        for entry in entries {
            let path = entry.map_err(Error::io("list", &self.models_dir))?.path();
            if let Some((name, files)) = named_model(&path) {
                names.insert(name, files);
            }
        }
        names.extend(self.configured.clone());
        Ok(names)
    }

    /// The model with this name, loaded or not.
    pub(crate) fn slot(&self, name: &str) -> Result<Arc<ModelSlot>> {
        if let Some(slot) = self.slots.lock().get(name) {
            return Ok(Arc::clone(slot));
        }
        let mut names = self.names()?;
        let Some(path) = names.remove(name) else {
            let nearest = nearest(name, names.keys().map(String::as_str));
            return Err(Error::UnknownModel { name: name.to_owned(), nearest });
        };
        Ok(Arc::clone(self.slots.lock().entry(name.to_owned()).or_insert_with(|| {
            Arc::new(ModelSlot {
                name: name.to_owned(),
                path,
                options: Arc::clone(&self.options),
                statistics: Arc::clone(&self.statistics),
                files: Mutex::new(None),
                loading: Mutex::new(()),
                runtime: Mutex::new(None),
            })
        })))
    }

    /// Tokenizers of the models whose files are open, by content hash.
    pub(crate) fn known_tokenizers(&self) -> HashMap<String, Arc<Tokenizer>> {
        let slots: Vec<Arc<ModelSlot>> = self.slots.lock().values().cloned().collect();
        let opened = slots.iter().filter_map(|slot| slot.files.lock().clone());
        opened.map(|files| (files.content_hash().to_string(), files.tokenizer())).collect()
    }

    /// The models that are in memory, by content hash.
    pub(crate) fn loaded(&self) -> BTreeMap<String, Arc<Runtime>> {
        let slots: Vec<Arc<ModelSlot>> = self.slots.lock().values().cloned().collect();
        let loaded = slots.iter().filter_map(|slot| slot.loaded());
        loaded.map(|runtime| (runtime.hash.to_string(), runtime)).collect()
    }

    /// Ends every decode thread.
    pub(crate) fn close(&self) {
        let slots: Vec<Arc<ModelSlot>> = self.slots.lock().values().cloned().collect();
        for slot in slots {
            if let Some(runtime) = slot.runtime.lock().take() {
                runtime.close();
            }
        }
    }

    fn rows(&self, default: &str) -> Result<Vec<ModelRow>> {
        self.names()?
            .into_keys()
            .map(|name| {
                let slot = self.slot(&name)?;
                Ok(slot.row(name == default))
            })
            .collect()
    }
}

impl ModelSlot {
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
        Ok(self.options.context_length(self.files()?.config()))
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

    fn row(&self, is_default: bool) -> ModelRow {
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
                row.context_length = self.options.context_length(config);
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

/// The name of what lies in the models directory, and the files that are meant by it.
fn named_model(path: &Path) -> Option<(String, PathBuf)> {
    let file_name = path.file_name()?.to_str()?;
    if file_name.starts_with('.') {
        return None;
    }
    if path.is_file() {
        return Some((file_name.strip_suffix(".gguf")?.to_owned(), path.to_owned()));
    }
    if path.join("config.json").exists() {
        return Some((file_name.to_owned(), path.to_owned()));
    }
    let mut files = fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let gguf = files.find(|file| file.extension().is_some_and(|extension| extension == "gguf"));
    Some((file_name.to_owned(), gguf.unwrap_or_else(|| path.to_owned())))
}

impl Engine {
    /// The models that can answer, by name. Opens files that were not opened yet, so it may take a moment.
    pub fn models(&self) -> Result<Vec<ModelRow>> {
        self.registry.rows(&self.default_model()?)
    }

    /// Name of the model that answers when a request names none.
    pub fn default_model(&self) -> Result<String> {
        self.settings.get(crate::settings::DEFAULT_MODEL)
    }

    /// The model that a request means.
    pub(crate) fn slot(&self, model: Option<&str>) -> Result<Arc<ModelSlot>> {
        match model {
            Some(name) => self.registry.slot(name),
            None => self.registry.slot(&self.default_model()?),
        }
    }
}
