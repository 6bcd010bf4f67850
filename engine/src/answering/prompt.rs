//! From what a person says to the tokens a model reads; answering, scoring and training share it.
//!
//! What is said is text: control tokens spelled out in it are read as such only with `raw`.

use hyprstream_models::{ChatMessage, ModelFiles};

use crate::catalog::conversations::Turn;
use crate::error::{Error, Result};

/// What a prompt is made of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PromptParts<'a> {
    pub(crate) history: &'a [Turn],
    pub(crate) system: Option<&'a str>,
    pub(crate) prompt: &'a str,
    pub(crate) raw: bool,
}

/// The tokens up to where the answer begins.
pub(crate) fn prompt_tokens(files: &ModelFiles, parts: &PromptParts<'_>) -> Result<Vec<u32>> {
    if parts.prompt.is_empty() {
        return Err(Error::text_argument("prompt", "", "it is empty; a prompt has at least one character"));
    }
    let tokenizer = files.tokenizer();
    let template = if parts.raw { None } else { files.chat_template() };
    let tokens = if let Some(template) = template {
        let messages: Vec<ChatMessage> =
            conversation(parts).into_iter().map(|turn| ChatMessage::new(turn.role, turn.content)).collect();
        tokenizer.encode_conversation(template, &messages, true)?
    } else {
        let text: Vec<String> = conversation(parts).into_iter().map(|turn| turn.content).collect();
        if parts.raw {
            tokenizer.encode(&text.join(""), true)?
        } else {
            tokenizer.encode_text(&text.join("\n"), true)?
        }
    };
    if tokens.is_empty() {
        return Err(Error::text_argument("prompt", parts.prompt, "it has no tokens"));
    }
    Ok(tokens)
}

fn conversation(parts: &PromptParts<'_>) -> Vec<Turn> {
    let mut turns = Vec::with_capacity(parts.history.len() + 2);
    let opens_with_system = parts.history.first().is_some_and(|turn| turn.role == "system");
    if let Some(system) = parts.system.filter(|_| !opens_with_system) {
        turns.push(Turn::new("system", system));
    }
    turns.extend_from_slice(parts.history);
    turns.push(Turn::new("user", parts.prompt));
    turns
}

/// The tokens of an answer: its text as the model would generate it and, unless `raw`, the end of its turn.
pub(crate) fn completion_tokens(files: &ModelFiles, completion: &str, raw: bool) -> Result<Vec<u32>> {
    let tokenizer = files.tokenizer();
    if raw {
        return Ok(tokenizer.encode(completion, false)?);
    }
    let mut tokens = tokenizer.encode_text(completion, false)?;
    tokens.push(end_of_turn(files)?);
    Ok(tokens)
}

/// The token that ends an answer: the last end token of a rendered conversation, else the first the model names.
fn end_of_turn(files: &ModelFiles) -> Result<u32> {
    let tokenizer = files.tokenizer();
    if let Some(template) = files.chat_template() {
        let messages = [ChatMessage::new("user", "a"), ChatMessage::new("assistant", "b")];
        let tokens = tokenizer.encode(&template.render(&messages, false)?, false)?;
        if let Some(end) = tokens.into_iter().rfind(|&token| tokenizer.is_end(token)) {
            return Ok(end);
        }
    }
    let first = files.config().eos_token_ids.first().copied();
    first.ok_or_else(|| Error::Refused("the model names no token that ends a turn".to_owned()))
}
