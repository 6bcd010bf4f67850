//! Tokenisation by name of model.

use crate::engine::Engine;
use crate::errors::{Error, Result};

impl Engine {
    /// The ids of a text, without special tokens; `model` is the default one when `None`.
    pub fn tokenize(&self, _text: &str, _model: Option<&str>) -> Result<Vec<u32>> {
        Err(Error::Unsupported("tokenize".to_owned()))
    }

    /// The text of ids; an id outside the vocabulary is an error.
    pub fn detokenize(&self, _ids: &[u32], _model: Option<&str>) -> Result<String> {
        Err(Error::Unsupported("detokenize".to_owned()))
    }

    /// How many tokens a text has.
    pub fn count_tokens(&self, text: &str, model: Option<&str>) -> Result<usize> {
        self.tokenize(text, model).map(|ids| ids.len())
    }
}
