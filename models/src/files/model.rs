//! A model as it lies on disk, opened and validated as a whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chat_template::ChatTemplate;
use crate::config::ModelConfig;
use crate::content_hash::{ContentHash, hash_part};
use crate::error::{Error, Result};
use crate::files::converted;
use crate::files::stamp::Stamp;
use crate::files::text::{json, optional, required};
use crate::files::tokenizer_settings::TokenizerSettings;
use crate::gguf::{self, GgufModel, WeightType};
use crate::llama::{LlamaModel, LoadOptions};
use crate::tokenizer::Tokenizer;
use crate::weights::{INDEX_FILE, SINGLE_FILE, SafetensorsModel, TensorSource, shard_files};

/// The small files of a Hugging Face directory that decide what it answers.
const SMALL_FILES: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
];
/// How often files that change while they are read are read again.
const ATTEMPTS: usize = 3;

/// A Hugging Face directory or a GGUF file, everything in it validated.
///
/// It is what the files held when they were opened. Where they were changed since, reading the weights is an error.
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    stamp: Stamp,
    content: Content,
}

#[derive(Debug)]
struct Content {
    source: Source,
    tokenizer: Arc<Tokenizer>,
    chat_template: Option<ChatTemplate>,
    hash: ContentHash,
    hash_before_templates: ContentHash,
}

#[derive(Debug)]
enum Source {
    HuggingFace { weights: Box<SafetensorsModel>, tokenizer_json: Vec<u8>, add_bos_token: bool },
    Gguf(Box<GgufModel>),
}

impl ModelFiles {
    /// Opens a Hugging Face directory or a `.gguf` file, and reads all of it once.
    pub fn open(path: &Path) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
            let stamp = Stamp::settled(&files_of(path, metadata.is_dir()));
            let content =
                if metadata.is_dir() { Content::of_directory(path) } else { Content::of_gguf(path) };
            if stamp.is_current() {
                return Ok(Self { path: path.to_path_buf(), stamp, content: content? });
            }
        }
        Err(Error::invalid(path, "changes while it is read; try again once it is written"))
    }
}

/// The files whose changes change the model.
fn files_of(path: &Path, is_directory: bool) -> Vec<PathBuf> {
    if !is_directory {
        return vec![path.to_path_buf()];
    }
    let index = path.join(INDEX_FILE);
    let mut files: Vec<PathBuf> = SMALL_FILES.iter().map(|name| path.join(name)).collect();
    // An index that cannot be read is refused when the weights are opened.
    files.extend(shard_files(path, &index).unwrap_or_default());
    files.extend([path.join(SINGLE_FILE), index]);
    files
}

impl Content {
    fn of_gguf(path: &Path) -> Result<Self> {
        let model = GgufModel::open(path)?;
        let tokenizer = Tokenizer::from_gguf(&model, model.config().eos_token_ids.iter().copied())?;
        if tokenizer.vocab_size() != model.config().vocab_size {
            return Err(Error::invalid(path, "its tokenizer and its embedding disagree on the vocabulary"));
        }
        let special = model.special_tokens();
        let chat_template = model
            .chat_template()
            .map(|source| {
                let text = |token: &Option<String>| token.clone().unwrap_or_default();
                ChatTemplate::try_new(source, &text(&special.bos), &text(&special.eos), path)
            })
            .transpose()?;
        Ok(Self {
            hash: model.content_hash(),
            hash_before_templates: model.content_hash(),
            source: Source::Gguf(Box::new(model)),
            tokenizer: Arc::new(tokenizer),
            chat_template,
        })
    }

    fn of_directory(path: &Path) -> Result<Self> {
        let config_path = path.join("config.json");
        let mut config = ModelConfig::from_json(&required(path, "config.json")?, &config_path)?;
        add_generation_config(&mut config, path)?;
        let tokenizer_json = required(path, "tokenizer.json")?;
        let settings = TokenizerSettings::read(path)?;
        let tokenizer = Tokenizer::from_json(
            &tokenizer_json,
            &path.join("tokenizer.json"),
            config.vocab_size,
            config.eos_token_ids.iter().copied(),
        )?;
        // The chat template ends turns with the tokenizer's end token, which some configurations leave out.
        let end = settings.eos_token.as_deref().and_then(|text| tokenizer.token_id(text));
        if let Some(end) = end
            && !config.eos_token_ids.contains(&end)
        {
            config.eos_token_ids.push(end);
        }
        let tokenizer = tokenizer.with_end(config.eos_token_ids.iter().copied());
        let mut hash = Sha256::new();
        hash_part(&mut hash, config.to_json().as_bytes());
        hash_part(&mut hash, &tokenizer_json);
        let weights = SafetensorsModel::open_hashed(path, config, &mut hash)?;
        let hash_before_templates = ContentHash::from_bytes(hash.finalize().into());
        let chat_template = settings.chat_template()?;
        let add_bos_token = settings.add_bos_token;
        Ok(Self {
            hash: settings.add_to(&hash_before_templates),
            hash_before_templates,
            source: Source::HuggingFace { weights: Box::new(weights), tokenizer_json, add_bos_token },
            tokenizer: Arc::new(tokenizer),
            chat_template,
        })
    }
}

impl ModelFiles {
    /// Where the model lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        self.tensors().config()
    }

    /// The weights, under Hugging Face's names whichever file they lie in.
    pub fn tensors(&self) -> &dyn TensorSource {
        match &self.content.source {
            Source::HuggingFace { weights, .. } => weights.as_ref(),
            Source::Gguf(model) => model.as_ref(),
        }
    }

    /// The tokenizer, shared with whoever encodes or decodes.
    pub fn tokenizer(&self) -> Arc<Tokenizer> {
        Arc::clone(&self.content.tokenizer)
    }

    /// The chat template, if the model has one.
    pub const fn chat_template(&self) -> Option<&ChatTemplate> {
        self.content.chat_template.as_ref()
    }

    /// Whether the model is one GGUF file, which answers as it is.
    pub const fn is_gguf(&self) -> bool {
        matches!(self.content.source, Source::Gguf(_))
    }

    /// Whether the files are still those that were opened. Asks the file system and reads nothing.
    pub fn is_current(&self) -> bool {
        self.stamp.is_current()
    }

    /// The hash of what determines the model's answers: of a GGUF file all of it, of a directory the configuration, the
    /// tokenizer and its settings, the chat template and the weights.
    pub const fn content_hash(&self) -> ContentHash {
        self.content.hash
    }

    /// The hash that the model had before those of directories covered the chat template and the tokenizer's settings.
    /// Adapters and trajectories of that time carry it.
    pub const fn hash_before_templates(&self) -> ContentHash {
        self.content.hash_before_templates
    }

    /// Whether a hash is this model's, in its present form or in the one before chat templates were covered.
    pub fn has_hash(&self, hash: &ContentHash) -> bool {
        *hash == self.content.hash || *hash == self.content.hash_before_templates
    }

    /// Loads the model into llama.cpp. A directory is converted into `cache_dir` once for every content and type of
    /// weights. What answers is what has this model's hash, or loading is an error.
    pub fn load(
        &self,
        cache_dir: &Path,
        weights: WeightType,
        options: &LoadOptions,
    ) -> Result<Arc<LlamaModel>> {
        match &self.content.source {
            Source::Gguf(model) if weights == WeightType::Stored => {
                LlamaModel::load_validated(model, options)
            }
            _ => LlamaModel::load_validated(&self.converted(cache_dir, weights)?, options),
        }
    }

    /// The model as a GGUF file: itself, or converted as for [`Self::load`].
    pub fn gguf(&self, cache_dir: &Path, weights: WeightType) -> Result<PathBuf> {
        match &self.content.source {
            Source::Gguf(model) if weights == WeightType::Stored => Ok(model.path().to_path_buf()),
            _ => Ok(self.converted(cache_dir, weights)?.path().to_path_buf()),
        }
    }

    /// The model's directory, converted.
    fn converted(&self, cache_dir: &Path, weights: WeightType) -> Result<GgufModel> {
        let Source::HuggingFace { weights: model, tokenizer_json, add_bos_token } = &self.content.source
        else {
            return Err(Error::Unsupported(format!(
                "{}: changing the weights' type of a GGUF file to {}",
                self.path.display(),
                weights.name()
            )));
        };
        let stem = format!("{}-{}", self.content.hash, weights.name());
        if let Some(found) = converted::find(cache_dir, &stem) {
            return Ok(found);
        }
        let description = gguf::Description {
            // Not the directory's name, which copies of the model do not share.
            name: &self.content.hash.short(),
            tokenizer_json,
            tokenizer_file: &self.path.join("tokenizer.json"),
            chat_template: self.content.chat_template.as_ref().map(ChatTemplate::source),
            add_bos_token: *add_bos_token,
        };
        let path = converted::create(cache_dir, &stem, |mut out, path| {
            gguf::convert(model, &description, weights, &mut out, path)
        })?;
        converted::open(&path)
    }
}

/// `generation_config.json` often names more end tokens than `config.json`.
fn add_generation_config(config: &mut ModelConfig, directory: &Path) -> Result<()> {
    let Some(bytes) = optional(directory, "generation_config.json")? else {
        return Ok(());
    };
    let file = directory.join("generation_config.json");
    let value = json(&bytes, &file)?;
    let ids = match value.get("eos_token_id") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(ids)) => ids.clone(),
        Some(id) => vec![id.clone()],
    };
    for id in ids {
        let id =
            id.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| (*id as usize) < config.vocab_size);
        let id = id.ok_or_else(|| Error::invalid(&file, "eos_token_id is no token of the vocabulary"))?;
        if !config.eos_token_ids.contains(&id) {
            config.eos_token_ids.push(id);
        }
    }
    Ok(())
}
