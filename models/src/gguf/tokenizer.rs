//! The vocabulary inside a GGUF file: validated before llama.cpp sees it, and written from a `tokenizer.json`.

use std::{collections::HashSet, path::Path};

use serde_json::Value as Json;

use super::metadata::{Metadata, Value};
use crate::{Architecture, Error, ModelConfig, Result};

/// llama.cpp's token types.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;
const BYTE: i64 = 6;

/// The smallest vocabulary that is taken for one.
const MIN_TOKENS: usize = 16;

/// The splitting rules of byte-level vocabularies that these families use.
const PRE_TOKENIZERS: [&str; 14] = [
    "default",
    "llama3",
    "llama-v3",
    "llama-bpe",
    "qwen2",
    "deepseek-r1-qwen",
    "deepseek-llm",
    "deepseek-coder",
    "gpt-2",
    "smollm",
    "starcoder",
    "refact",
    "command-r",
    "falcon3",
];

/// Checks everything that llama.cpp takes for granted in a vocabulary.
pub(super) fn validate(metadata: &Metadata<'_>, config: &ModelConfig) -> Result<()> {
    let file = metadata.file;
    let refuse = |reason: String| Err(Error::invalid(file, reason));
    let Ok(kind) = metadata.string("tokenizer.ggml.model") else {
        return refuse("has no tokenizer".to_owned());
    };
    let tokens = metadata.strings("tokenizer.ggml.tokens")?;
    if tokens.len() != config.vocab_size {
        return refuse(format!(
            "its tokenizer has {} tokens and its embedding {}",
            tokens.len(),
            config.vocab_size
        ));
    }
    // llama.cpp's default ids of special tokens must exist, or it gives up when it tokenises.
    if tokens.len() < MIN_TOKENS {
        return refuse(format!("its vocabulary has {} tokens; {MIN_TOKENS} are the least", tokens.len()));
    }
    let mut seen = HashSet::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if token.is_empty() || !seen.insert(token.as_str()) {
            return refuse(format!("token {id}, `{token}`, is empty or stands twice in the vocabulary"));
        }
    }
    let types = metadata.integers("tokenizer.ggml.token_type")?;
    if types.len() != tokens.len() {
        return refuse("tokenizer.ggml.token_type has another length than the vocabulary".to_owned());
    }
    let bytes = tokens.iter().zip(types).filter(|(_, kind)| **kind == BYTE);
    let mut byte_tokens = 0;
    for (token, _) in bytes {
        if byte_of(token).is_none() {
            return refuse(format!("token `{token}` is marked as a byte and is none"));
        }
        byte_tokens += 1;
    }
    for name in ["bos", "eos", "eot", "unknown", "padding"] {
        if let Some(id) = metadata.optional_size(&format!("tokenizer.ggml.{name}_token_id"))?
            && id >= tokens.len()
        {
            return refuse(format!("its {name} token {id} is outside the vocabulary"));
        }
    }
    for name in ["add_bos_token", "add_eos_token", "add_space_prefix"] {
        metadata.flag(&format!("tokenizer.ggml.{name}"))?;
    }
    match kind {
        "gpt2" => validate_byte_level(metadata),
        "llama" => {
            if metadata.floats("tokenizer.ggml.scores")?.len() != tokens.len() {
                return refuse("tokenizer.ggml.scores has another length than the vocabulary".to_owned());
            }
            // llama.cpp looks up the token of any byte that no other token covers, and cannot do without.
            if byte_tokens < 256 {
                return refuse(format!("its vocabulary has {byte_tokens} byte tokens where 256 are needed"));
            }
            Ok(())
        }
        other => Err(Error::Unsupported(format!("{}: a tokenizer of kind `{other}`", file.display()))),
    }
}

fn validate_byte_level(metadata: &Metadata<'_>) -> Result<()> {
    let file = metadata.file;
    for merge in metadata.strings("tokenizer.ggml.merges")? {
        let parts = merge.split_once(' ').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
        if !parts || merge.matches(' ').count() != 1 {
            return Err(Error::invalid(file, format!("merge `{merge}` is not two tokens and a space")));
        }
    }
    match metadata.get("tokenizer.ggml.pre") {
        None => Ok(()),
        Some(Value::String(name)) if PRE_TOKENIZERS.contains(&name.as_str()) => Ok(()),
        Some(other) => Err(Error::Unsupported(format!("{}: tokenizer.ggml.pre {other:?}", file.display()))),
    }
}

/// The texts of the tokens that begin and end a text.
pub(super) fn special_tokens(metadata: &Metadata<'_>) -> (Option<String>, Option<String>) {
    let text = |name: &str| {
        let id = metadata.optional_size(&format!("tokenizer.ggml.{name}_token_id")).ok().flatten()?;
        metadata.strings("tokenizer.ggml.tokens").ok()?.get(id).cloned()
    };
    (text("bos"), text("eos"))
}

fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// What GGUF's tokenizer section says for a Hugging Face `tokenizer.json`.
pub(super) fn from_tokenizer_json(
    bytes: &[u8],
    file: &Path,
    config: &ModelConfig,
) -> Result<Vec<(String, Value)>> {
    let json: Json = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(file, format!("is not valid JSON: {error}")))?;
    let model = json.get("model").unwrap_or(&Json::Null);
    let vocabulary = model
        .get("vocab")
        .and_then(Json::as_object)
        .ok_or_else(|| Error::Unsupported(format!("{}: a model without a BPE vocabulary", file.display())))?;
    let byte_fallback = model.get("byte_fallback").and_then(Json::as_bool).unwrap_or(false);

    let size = config.vocab_size;
    let mut tokens: Vec<Option<String>> = vec![None; size];
    let mut types = vec![UNUSED; size];
    let mut set = |text: &str, id: Option<u64>, kind: i64| {
        let slot = id.and_then(|id| usize::try_from(id).ok()).filter(|id| *id < size);
        let Some(id) = slot else {
            return Err(Error::invalid(
                file,
                format!("token `{text}` has no id inside the model's vocabulary of {size}"),
            ));
        };
        tokens[id] = Some(text.to_owned());
        types[id] = kind;
        Ok(())
    };
    for (text, id) in vocabulary {
        let kind = if byte_fallback && byte_of(text).is_some() { BYTE } else { NORMAL };
        set(text, id.as_u64(), kind)?;
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
        set(text, token.get("id").and_then(Json::as_u64), kind)?;
    }
    let tokens = distinct(tokens);
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let mut section = if byte_fallback {
        // SentencePiece's scores are gone; the order of the vocabulary is that of the merges.
        let scores = (0..size).map(|id| -(id as f32)).collect();
        vec![(key("model"), Value::String("llama".to_owned())), (key("scores"), Value::Floats(scores))]
    } else {
        let pre = if config.architecture == Architecture::Llama { "llama-bpe" } else { "qwen2" };
        vec![
            (key("model"), Value::String("gpt2".to_owned())),
            (key("pre"), Value::String(pre.to_owned())),
            (key("merges"), Value::Strings(merges(model, file)?)),
        ]
    };
    section.push((key("tokens"), Value::Strings(tokens)));
    section.push((key("token_type"), Value::Integers(types)));
    if let Some(id) = config.bos_token_id {
        section.push((key("bos_token_id"), Value::Unsigned(id.into())));
    }
    if let Some(id) = config.eos_token_ids.first() {
        section.push((key("eos_token_id"), Value::Unsigned((*id).into())));
    }
    Ok(section)
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
