//! Pairs of texts to examples, through the prompt builder that answers.

use hyprstream_learning::Example;
use hyprstream_models::ModelFiles;
use sha2::{Digest, Sha256};

use crate::answering::prompt::{PromptParts, completion_tokens, prompt_tokens};
use crate::error::{Error, Result};

/// Examples in the order of the pairs; the loss is on the completion and the end of its turn.
pub(super) fn examples(
    files: &ModelFiles,
    pairs: &[(String, String)],
    max_seq_len: u32,
    argument: &'static str,
) -> Result<Vec<Example>> {
    let example = |(row, (prompt, completion)): (usize, &(String, String))| {
        if prompt.is_empty() {
            return Err(Error::argument(argument, format!("row {}", row + 1), "its prompt is empty"));
        }
        let mut tokens = prompt_tokens(files, &PromptParts { prompt, ..PromptParts::default() })?;
        let completion_start = tokens.len();
        tokens.extend(completion_tokens(files, completion, false)?);
        if tokens.len() > max_seq_len as usize {
            let reason = format!("it has {} tokens and max_seq_len is {max_seq_len}", tokens.len());
            return Err(Error::argument(argument, format!("row {}", row + 1), reason));
        }
        Ok(Example { tokens, completion_start })
    };
    pairs.iter().enumerate().map(example).collect()
}

/// Names the data by its content.
pub(super) fn dataset_hash(pairs: &[(String, String)]) -> String {
    let mut hash = Sha256::new();
    for text in pairs.iter().flat_map(|(prompt, completion)| [prompt, completion]) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex::encode(hash.finalize())
}
