//! Answers by the plain decoder.

use std::path::Path;

use hyprstream_models::{ModelConfig, SafetensorsModel};
use tokenizers::Tokenizer;

use crate::{
    chat::{Chat, END},
    decode::Decoder,
    error::{Error, Result},
    evaluate::Answerer,
    tokenizer,
};

/// The longest answer.
pub const MOST_TOKENS: usize = 96;

/// The model of a directory behind the plain decoder.
pub struct Plain {
    tokenizer: Tokenizer,
    decoder: Decoder,
}

impl Plain {
    /// Reads a model directory.
    pub fn try_new(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let config = ModelConfig::from_json(&bytes, &path)?;
        let decoder = Decoder::try_new(&SafetensorsModel::open(dir, config)?)?;
        Ok(Self {
            tokenizer: tokenizer::load(dir)?,
            decoder,
        })
    }
}

impl Answerer for Plain {
    fn answer(&mut self, questions: &[String]) -> Result<Vec<String>> {
        let chat = Chat::try_new(&self.tokenizer)?;
        let end = self.tokenizer.token_to_id(END).unwrap_or_default();
        questions
            .iter()
            .map(|question| {
                let tokens = self
                    .decoder
                    .complete(&chat.question(None, question)?, end, MOST_TOKENS);
                self.tokenizer
                    .decode(&tokens, true)
                    .map_err(|e| Error::Tokenizer(e.to_string()))
            })
            .collect()
    }

    fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let chat = Chat::try_new(&self.tokenizer)?;
        texts
            .iter()
            .map(|text| Ok(self.decoder.embed(&chat.text(text)?)))
            .collect()
    }
}
