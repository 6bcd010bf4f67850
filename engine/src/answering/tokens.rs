//! Texts to tokens and back, as a model reads them.

use hyprstream_models::ModelFiles;

use crate::error::{Error, Result};

/// The ids of a text, without special tokens around it.
pub(crate) fn tokenize(files: &ModelFiles, text: &str) -> Result<Vec<u32>> {
    Ok(files.tokenizer().encode(text, false)?)
}

pub(crate) fn detokenize(files: &ModelFiles, ids: &[u32]) -> Result<String> {
    let size = files.config().vocab_size;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= size) {
        let reason = format!("the vocabulary has ids from 0 to {}", size.saturating_sub(1));
        return Err(Error::argument("token", id, reason));
    }
    Ok(files.tokenizer().decode(ids, false)?)
}
