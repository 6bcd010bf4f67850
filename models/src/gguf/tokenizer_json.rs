//! A Hugging Face `tokenizer.json` as GGUF's tokenizer section.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value as Json;

use crate::config::{Architecture, ModelConfig};
use crate::error::{Error, Result};
use crate::gguf::metadata::Value;
use crate::gguf::token_types::{BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, byte_of};

/// What GGUF's tokenizer section says for a Hugging Face `tokenizer.json`.
pub(super) fn from_tokenizer_json(
    bytes: &[u8],
    file: &Path,
    config: &ModelConfig,
) -> Result<Vec<(String, Value)>> {
    let json: Json = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(file, format!("is not valid JSON: {error}")))?;
    let model = json.get("model").unwrap_or(&Json::Null);
    let byte_fallback = model.get("byte_fallback").and_then(Json::as_bool).unwrap_or(false);
    let vocabulary = Vocabulary::read(&json, byte_fallback, config.vocab_size, file)?;
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let mut section = if byte_fallback {
        // SentencePiece's scores are gone; the order of the vocabulary is that of the merges.
        let scores = (0..config.vocab_size).map(|id| -(id as f32)).collect();
        vec![(key("model"), Value::String("llama".to_owned())), (key("scores"), Value::Floats(scores))]
    } else {
        let pre = if config.architecture == Architecture::Llama { "llama-bpe" } else { "qwen2" };
        vec![
            (key("model"), Value::String("gpt2".to_owned())),
            (key("pre"), Value::String(pre.to_owned())),
            (key("merges"), Value::Strings(merges(model, file)?)),
        ]
    };
    section.push((key("tokens"), Value::Strings(distinct(vocabulary.tokens))));
    section.push((key("token_type"), Value::Integers(vocabulary.types)));
    if let Some(id) = config.bos_token_id {
        section.push((key("bos_token_id"), Value::Unsigned(id.into())));
    }
    if let Some(id) = config.eos_token_ids.first() {
        section.push((key("eos_token_id"), Value::Unsigned((*id).into())));
    }
    Ok(section)
}

/// The texts and types of all tokens by their ids.
struct Vocabulary {
    tokens: Vec<Option<String>>,
    types: Vec<i64>,
}

impl Vocabulary {
    fn read(json: &Json, byte_fallback: bool, size: usize, file: &Path) -> Result<Self> {
        let model = json.get("model").unwrap_or(&Json::Null);
        let texts = model.get("vocab").and_then(Json::as_object).ok_or_else(|| {
            Error::Unsupported(format!("{}: a model without a BPE vocabulary", file.display()))
        })?;
        let mut vocabulary = Self { tokens: vec![None; size], types: vec![UNUSED; size] };
        for (text, id) in texts {
            let kind = if byte_fallback && byte_of(text).is_some() { BYTE } else { NORMAL };
            vocabulary.set(text, id.as_u64(), kind, file)?;
        }
        let unknown = model.get("unk_token").and_then(Json::as_str);
        for token in json.get("added_tokens").and_then(Json::as_array).into_iter().flatten() {
            let text = token.get("content").and_then(Json::as_str).unwrap_or_default();
            let special = token.get("special").and_then(Json::as_bool).unwrap_or(false);
            let kind = if unknown == Some(text) {
                UNKNOWN
            } else if special {
                CONTROL
            } else {
                USER_DEFINED
            };
            vocabulary.set(text, token.get("id").and_then(Json::as_u64), kind, file)?;
        }
        Ok(vocabulary)
    }

    fn set(&mut self, text: &str, id: Option<u64>, kind: i64, file: &Path) -> Result<()> {
        let size = self.tokens.len();
        let id = id.and_then(|id| usize::try_from(id).ok()).filter(|id| *id < size);
        let Some(id) = id else {
            let reason = format!("token `{text}` has no id inside the model's vocabulary of {size}");
            return Err(Error::invalid(file, reason));
        };
        self.tokens[id] = Some(text.to_owned());
        self.types[id] = kind;
        Ok(())
    }
}

fn merges(model: &Json, file: &Path) -> Result<Vec<String>> {
    let merges = model.get("merges").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    merges
        .iter()
        .map(|merge| {
            let pair = merge.as_array().map(Vec::as_slice);
            match (merge, pair) {
                (Json::String(text), _) => Some(text.clone()),
                (_, Some([Json::String(left), Json::String(right)])) => Some(format!("{left} {right}")),
                _ => None,
            }
            .ok_or_else(|| Error::invalid(file, format!("merge {merge} is not two tokens")))
        })
        .collect()
}

/// Fills the gaps, and renames duplicates: llama.cpp requires every token to have a text of its own.
fn distinct(tokens: Vec<Option<String>>) -> Vec<String> {
    let mut seen = HashSet::with_capacity(tokens.len());
    tokens
        .into_iter()
        .enumerate()
        .map(|(id, token)| {
            let mut text = token.filter(|text| !text.is_empty()).unwrap_or_else(|| format!("[PAD{id}]"));
            while !seen.insert(text.clone()) {
                text.push('\u{a0}');
            }
            text
        })
        .collect()
}
