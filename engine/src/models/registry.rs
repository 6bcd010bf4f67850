//! Which models there are, and which of them are in memory.
//!
//! A model is named by its directory (or `.gguf` file) under `<data-dir>/models`, or by the configuration. Its
//! files are opened when they are first needed, its runtime is loaded for its first request; requests that arrive
//! meanwhile wait for the same load. Every request looks whether the files have changed, and if so gets the new model.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_models::{Tokenizer, remove_leftovers};
use parking_lot::Mutex;

use crate::blocking::blocking;
use crate::catalog::settings::Settings;
use crate::data_dir::{CACHE, MODELS};
use crate::error::{Error, Result};
use crate::models::entry::{ModelEntry, ModelRow};
use crate::models::runtime::Runtime;
use crate::nearest::nearest;
use crate::options::{BUNDLED_MODEL, EngineOptions};
use crate::statistics::Statistics;

/// The models of an engine.
#[derive(Debug)]
pub(crate) struct Registry {
    options: Arc<EngineOptions>,
    settings: Arc<Settings>,
    statistics: Arc<Statistics>,
    entries: Mutex<HashMap<String, Arc<ModelEntry>>>,
}

impl Registry {
    pub(crate) fn new(
        options: Arc<EngineOptions>,
        settings: Arc<Settings>,
        statistics: Arc<Statistics>,
    ) -> Self {
        remove_leftovers(&options.data_dir.join(CACHE));
        Self { options, settings, statistics, entries: Mutex::new(HashMap::new()) }
    }

    /// Every name with the path of its files.
    fn names(&self) -> Result<BTreeMap<String, PathBuf>> {
        let models_dir = self.options.data_dir.join(MODELS);
        // It is there even when its directory is gone, because the program holds its files.
        let mut names = BTreeMap::from([(BUNDLED_MODEL.to_owned(), models_dir.join(BUNDLED_MODEL))]);
        match fs::read_dir(&models_dir) {
            Ok(files) => {
                for file in files {
                    let path = file.map_err(Error::io("list", &models_dir))?.path();
                    names.extend(named_model(&path));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("list", &models_dir)(error)),
        }
        names.extend(self.options.models.clone());
        Ok(names)
    }

    /// The model that a request means: the one it names, else the default one.
    pub(crate) fn entry(&self, model: Option<&str>) -> Result<Arc<ModelEntry>> {
        match model {
            Some(name) => self.named(name),
            None => self.named(&self.settings.default_model()?),
        }
    }

    /// The model with this name, loaded or not.
    fn named(&self, name: &str) -> Result<Arc<ModelEntry>> {
        let known = self.entries.lock().get(name).cloned();
        if let Some(entry) = known.filter(|entry| entry.exists()) {
            return Ok(entry);
        }
        let mut names = self.names()?;
        let Some(path) = names.remove(name) else {
            let nearest = nearest(name, names.keys().map(String::as_str)).map(str::to_owned);
            return Err(Error::UnknownModel { name: name.to_owned(), nearest });
        };
        let mut entries = self.entries.lock();
        let entry = entries.entry(name.to_owned()).or_insert_with(|| {
            let (options, statistics) = (Arc::clone(&self.options), Arc::clone(&self.statistics));
            Arc::new(ModelEntry::new(name, path.clone(), options, statistics))
        });
        entry.move_to(path);
        Ok(Arc::clone(entry))
    }

    /// The model that a request means, loaded.
    pub(crate) async fn runtime(&self, model: Option<&str>) -> Result<Arc<Runtime>> {
        let entry = self.entry(model)?;
        match entry.ready() {
            Some(runtime) => Ok(runtime),
            None => blocking(move || entry.load()).await,
        }
    }

    /// Tokenizers of the models whose files are open, by content hash.
    pub(crate) fn known_tokenizers(&self) -> HashMap<String, Arc<Tokenizer>> {
        let opened = self.used().into_iter().filter_map(|entry| entry.opened_tokenizer());
        opened.flat_map(|(hashes, tokenizer)| hashes.map(|hash| (hash, Arc::clone(&tokenizer)))).collect()
    }

    /// The models that are in memory, by content hash.
    pub(crate) fn loaded(&self) -> BTreeMap<String, Arc<Runtime>> {
        let loaded = self.used().into_iter().filter_map(|entry| entry.loaded());
        loaded.map(|runtime| (runtime.hash.to_string(), runtime)).collect()
    }

    /// Ends every decode thread.
    pub(crate) fn close(&self) {
        self.used().iter().for_each(|entry| entry.close());
    }

    /// The models as the table shows them, by name. Opens files that were not opened yet, so it may take a moment.
    pub(crate) fn rows(&self) -> Result<Vec<ModelRow>> {
        let default = self.settings.default_model()?;
        let names = self.names()?.into_keys();
        names.map(|name| Ok(self.named(&name)?.row(name == default))).collect()
    }

    /// The models that something has asked for.
    fn used(&self) -> Vec<Arc<ModelEntry>> {
        self.entries.lock().values().cloned().collect()
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
