//! A model as it lies on disk, opened and validated as a whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chat_template::ChatTemplate;
use crate::config::ModelConfig;
use crate::content_hash::ContentHash;
use crate::error::{Error, Result};
use crate::files::text::{json, optional, required};
use crate::files::tokenizer_settings::TokenizerSettings;
use crate::gguf::{self, GgufModel, WeightType};
use crate::tokenizer::Tokenizer;
use crate::weights::{SafetensorsModel, TensorSource};

/// A Hugging Face directory or a GGUF file, everything in it validated.
#[derive(Debug)]
pub struct ModelFiles {
    path: PathBuf,
    source: Source,
    tokenizer: Arc<Tokenizer>,
    chat_template: Option<ChatTemplate>,
    hash: OnceLock<ContentHash>,
}

#[derive(Debug)]
enum Source {
    HuggingFace { weights: Box<SafetensorsModel>, tokenizer_json: Vec<u8>, add_bos_token: bool },
    Gguf(Box<GgufModel>),
}

impl ModelFiles {
    /// Opens a Hugging Face directory or a `.gguf` file.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
        if metadata.is_dir() { Self::open_directory(path) } else { Self::open_gguf(path) }
    }

    fn open_gguf(path: &Path) -> Result<Self> {
        let model = GgufModel::open(path)?;
        let tokenizer = Tokenizer::from_gguf(path, model.config().eos_token_ids.iter().copied())?;
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
            path: path.to_path_buf(),
            source: Source::Gguf(Box::new(model)),
            tokenizer: Arc::new(tokenizer),
            chat_template,
            hash: OnceLock::new(),
        })
    }

    fn open_directory(path: &Path) -> Result<Self> {
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
        let weights = SafetensorsModel::open(path, config)?;
        let chat_template = settings.chat_template()?;
        let add_bos_token = settings.add_bos_token;
        Ok(Self {
            path: path.to_path_buf(),
            source: Source::HuggingFace { weights: Box::new(weights), tokenizer_json, add_bos_token },
            tokenizer: Arc::new(tokenizer),
            chat_template,
            hash: OnceLock::new(),
        })
    }

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
        match &self.source {
            Source::HuggingFace { weights, .. } => weights.as_ref(),
            Source::Gguf(model) => model.as_ref(),
        }
    }

    /// The tokenizer, shared with whoever encodes or decodes.
    pub fn tokenizer(&self) -> Arc<Tokenizer> {
        Arc::clone(&self.tokenizer)
    }

    /// The chat template, if the model has one.
    pub const fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat_template.as_ref()
    }

    /// The hash of what determines the model's answers: configuration, vocabulary and weights. Computed on the first
    /// call, at the speed of SHA-256, and remembered.
    pub fn content_hash(&self) -> ContentHash {
        *self.hash.get_or_init(|| match &self.source {
            Source::Gguf(model) => ContentHash::of(model.bytes()),
            Source::HuggingFace { weights, tokenizer_json, .. } => {
                let mut hasher = Sha256::new();
                let mut part = |bytes: &[u8]| {
                    hasher.update((bytes.len() as u64).to_le_bytes());
                    hasher.update(bytes);
                };
                part(weights.config().to_json().as_bytes());
                part(tokenizer_json);
                for (name, _) in weights.config().tensors() {
                    part(name.as_bytes());
                    if let Some((stored, bytes)) = weights.stored(&name) {
                        part(&[stored.size() as u8, stored as u8]);
                        part(bytes);
                    }
                }
                ContentHash::from_bytes(hasher.finalize().into())
            }
        })
    }

    /// The model as a GGUF file: itself, or converted into `cache_dir` once for every content and type of weights.
    pub fn gguf(&self, cache_dir: &Path, weights: WeightType) -> Result<PathBuf> {
        let (model, tokenizer_json, add_bos_token) = match &self.source {
            Source::Gguf(model) if weights == WeightType::Stored => return Ok(model.path().to_path_buf()),
            Source::Gguf(_) => {
                return Err(Error::Unsupported(format!(
                    "{}: changing the weights' type of a GGUF file to {}",
                    self.path.display(),
                    weights.name()
                )));
            }
            Source::HuggingFace { weights, tokenizer_json, add_bos_token } => {
                (weights, tokenizer_json, *add_bos_token)
            }
        };
        let target = cache_dir.join(format!("{}-{}.gguf", self.content_hash(), weights.name()));
        if GgufModel::open(&target).is_ok() {
            return Ok(target);
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let description = gguf::Description {
            name: &name,
            tokenizer_json,
            tokenizer_file: &self.path.join("tokenizer.json"),
            chat_template: self.chat_template.as_ref().map(ChatTemplate::source),
            add_bos_token,
        };
        gguf::convert(model, &description, weights, &target)?;
        Ok(target)
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
