//! The tokenizer's settings and the chat template of a model directory.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chat_template::ChatTemplate;
use crate::content_hash::{ContentHash, hash_part};
use crate::error::{Error, Result};
use crate::files::text::{json, optional};

/// What `tokenizer_config.json` and `chat_template.jinja` say.
pub(super) struct TokenizerSettings {
    file: PathBuf,
    bos_token: Option<String>,
    pub(super) eos_token: Option<String>,
    pub(super) add_bos_token: bool,
    template: Option<String>,
}

impl TokenizerSettings {
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let file = directory.join("tokenizer_config.json");
        let value = match optional(directory, "tokenizer_config.json")? {
            Some(bytes) => json(&bytes, &file)?,
            None => Value::Null,
        };
        // A token is a text, or an object that describes how it is split off.
        let token = |name: &str| {
            let token = value.get(name)?;
            let text = token.as_str().or_else(|| token.get("content").and_then(Value::as_str));
            text.map(str::to_owned)
        };
        let template = match optional(directory, "chat_template.jinja")? {
            Some(bytes) => Some(
                String::from_utf8(bytes)
                    .map_err(|_| Error::invalid(directory.join("chat_template.jinja"), "is not UTF-8"))?,
            ),
            None => default_template(value.get("chat_template")),
        };
        let (bos_token, eos_token) = (token("bos_token"), token("eos_token"));
        let add_bos_token = value.get("add_bos_token").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { file, bos_token, eos_token, add_bos_token, template })
    }

    /// The hash of a model with these settings, from the hash of its other parts.
    pub(super) fn add_to(&self, other_parts: &ContentHash) -> ContentHash {
        let mut hash = Sha256::new();
        hash_part(&mut hash, other_parts.as_bytes());
        hash_part(&mut hash, &[u8::from(self.add_bos_token)]);
        for text in [&self.bos_token, &self.eos_token, &self.template] {
            hash_part(&mut hash, &[u8::from(text.is_some())]);
            hash_part(&mut hash, text.as_deref().unwrap_or_default().as_bytes());
        }
        ContentHash::from_bytes(hash.finalize().into())
    }

    pub(super) fn chat_template(&self) -> Result<Option<ChatTemplate>> {
        let text = |token: &Option<String>| token.clone().unwrap_or_default();
        self.template
            .as_deref()
            .map(|source| {
                ChatTemplate::try_new(source, &text(&self.bos_token), &text(&self.eos_token), &self.file)
            })
            .transpose()
    }
}

/// The one template, or the one named `default` of several.
fn default_template(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(source) => Some(source.clone()),
        Value::Array(templates) => templates
            .iter()
            .find(|template| template.get("name").and_then(Value::as_str) == Some("default"))
            .and_then(|template| template.get("template"))
            .and_then(Value::as_str)
            .map(str::to_owned),
        _ => None,
    }
}
