//! Tokenisation by name of model.

use crate::engine::Engine;
use crate::errors::{Error, Result};

impl Engine {
    /// The ids of a text, without special tokens around it; `model` is the default one when `None`.
    pub fn tokenize(&self, text: &str, model: Option<&str>) -> Result<Vec<u32>> {
        Ok(self.slot(model)?.files()?.tokenizer().encode(text, false)?)
    }

    /// The text of ids; an id outside the vocabulary is an error.
    pub fn detokenize(&self, ids: &[u32], model: Option<&str>) -> Result<String> {
        let files = self.slot(model)?.files()?;
        let size = files.config().vocab_size;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= size) {
            return Err(Error::argument(
                "token",
                id,
                format!("the vocabulary has ids from 0 to {}", size.saturating_sub(1)),
            ));
        }
        Ok(files.tokenizer().decode(ids, false)?)
    }

    /// How many tokens a text has.
    pub fn count_tokens(&self, text: &str, model: Option<&str>) -> Result<usize> {
        self.tokenize(text, model).map(|ids| ids.len())
    }
}
