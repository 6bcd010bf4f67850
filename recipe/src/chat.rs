//! How a question and its answer stand before the model: the chat template, in tokens.

use tokenizers::Tokenizer;

use crate::error::{Error, Result};

/// Opens what the user says.
pub const USER: &str = "<|user|>";
/// Opens what the model answers.
pub const ASSISTANT: &str = "<|assistant|>";
/// Opens what the model is told beforehand.
pub const SYSTEM: &str = "<|system|>";
/// Ends a turn.
pub const END: &str = "<|im_end|>";

/// The template in `tokenizer_config.json`: three tokens around a question.
pub const TEMPLATE: &str = "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|im_end|>\
     {% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// Writes turns in tokens.
pub struct Chat<'a> {
    tokenizer: &'a Tokenizer,
    user: u32,
    assistant: u32,
    system: u32,
    end: u32,
}

impl<'a> Chat<'a> {
    /// Looks up the marks in `tokenizer`.
    pub fn try_new(tokenizer: &'a Tokenizer) -> Result<Self> {
        let id = |mark: &str| {
            tokenizer
                .token_to_id(mark)
                .ok_or_else(|| Error::Tokenizer(format!("has no token {mark}; train it again")))
        };
        Ok(Self { user: id(USER)?, assistant: id(ASSISTANT)?, system: id(SYSTEM)?, end: id(END)?, tokenizer })
    }

    /// The tokens of plain text.
    pub fn text(&self, text: &str) -> Result<Vec<u32>> {
        let encoding =
            self.tokenizer.encode_fast(text, false).map_err(|e| Error::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// A question up to where the answer begins.
    pub fn question(&self, system: Option<&str>, question: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        if let Some(system) = system {
            tokens.push(self.system);
            tokens.extend(self.text(system)?);
            tokens.push(self.end);
        }
        tokens.push(self.user);
        tokens.extend(self.text(question)?);
        tokens.extend([self.end, self.assistant]);
        Ok(tokens)
    }

    /// An answer with the mark that ends it.
    pub fn answer(&self, answer: &str) -> Result<Vec<u32>> {
        let mut tokens = self.text(answer)?;
        tokens.push(self.end);
        Ok(tokens)
    }
}
