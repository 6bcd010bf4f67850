//! The vocabulary inside a GGUF file, validated before llama.cpp sees it.

use std::collections::HashSet;
use std::path::Path;

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::gguf::metadata::{Metadata, Value};
use crate::gguf::token_types::{BYTE, byte_of};

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
    check_texts(tokens, file)?;
    let byte_tokens = count_byte_tokens(metadata, tokens)?;
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

/// Every token has a text of its own.
fn check_texts(tokens: &[String], file: &Path) -> Result<()> {
    let mut seen = HashSet::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if token.is_empty() || !seen.insert(token.as_str()) {
            let reason = format!("token {id}, `{token}`, is empty or stands twice in the vocabulary");
            return Err(Error::invalid(file, reason));
        }
    }
    Ok(())
}

/// The number of tokens that are marked as bytes, each of which is one.
fn count_byte_tokens(metadata: &Metadata<'_>, tokens: &[String]) -> Result<usize> {
    let refuse = |reason: String| Err(Error::invalid(metadata.file, reason));
    let types = metadata.integers("tokenizer.ggml.token_type")?;
    if types.len() != tokens.len() {
        return refuse("tokenizer.ggml.token_type has another length than the vocabulary".to_owned());
    }
    let mut count = 0;
    for (token, _) in tokens.iter().zip(types).filter(|(_, kind)| **kind == BYTE) {
        if byte_of(token).is_none() {
            return refuse(format!("token `{token}` is marked as a byte and is none"));
        }
        count += 1;
    }
    Ok(count)
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
#[derive(Clone, Debug, Default)]
pub(crate) struct SpecialTokens {
    pub(crate) bos: Option<String>,
    pub(crate) eos: Option<String>,
}

/// The special tokens that the metadata names.
pub(super) fn special_tokens(metadata: &Metadata<'_>) -> SpecialTokens {
    let text = |name: &str| {
        let id = metadata.optional_size(&format!("tokenizer.ggml.{name}_token_id")).ok().flatten()?;
        metadata.strings("tokenizer.ggml.tokens").ok()?.get(id).cloned()
    };
    SpecialTokens { bos: text("bos"), eos: text("eos") }
}
