//! A model's tokenizer.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::string::FromUtf8Error;

use serde::Deserialize;
use tokenizers::{DecoderWrapper, ModelWrapper};

use crate::error::{Error, Result};
use crate::gguf::GgufModel;
use crate::llama::LlamaVocabulary;
use crate::tokenizer::byte_level::byte_of;

/// A model's tokenizer. It is `Send + Sync`: encoding and decoding change nothing.
pub struct Tokenizer {
    kind: Kind,
    end: HashSet<u32>,
    vocab_size: usize,
}

enum Kind {
    HuggingFace {
        tokenizer: Box<tokenizers::Tokenizer>,
        /// Every token is a run of bytes, so decoding is joining them.
        byte_level: bool,
    },
    Gguf(LlamaVocabulary),
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json` for a model of `vocab_size` tokens, of which `end` finish a generation.
    pub fn from_json(
        bytes: &[u8],
        file: &Path,
        vocab_size: usize,
        end: impl IntoIterator<Item = u32>,
    ) -> Result<Self> {
        // The crate's deserialisers index and unwrap on some malformed input.
        let mut tokenizer = catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes))
            .map_err(|_| Error::invalid(file, "is not a tokenizer: reading it failed inside"))?
            .map_err(|error| Error::invalid(file, format!("is not a tokenizer: {error}")))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| Error::invalid(file, format!("has an unusable truncation: {error}")))?;
        if let ModelWrapper::BPE(model) = tokenizer.get_model()
            && model.dropout.is_some()
        {
            return Err(Error::Unsupported(format!("{}: a tokenizer with dropout", file.display())));
        }
        let vocabulary = catch_unwind(AssertUnwindSafe(|| tokenizer.get_vocab(true)))
            .map_err(|_| Error::invalid(file, "is not a tokenizer: its vocabulary is malformed"))?;
        if vocabulary.is_empty() {
            return Err(Error::invalid(file, "has an empty vocabulary"));
        }
        check_added_tokens(bytes, &vocabulary, file)?;
        if let Some((token, id)) = vocabulary.iter().find(|(_, id)| **id as usize >= vocab_size) {
            return Err(Error::invalid(
                file,
                format!("token `{token}` has id {id}, outside the model's vocabulary of {vocab_size}"),
            ));
        }
        let byte_level = matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let kind = Kind::HuggingFace { tokenizer: Box::new(tokenizer), byte_level };
        Ok(Self { kind, end: end.into_iter().collect(), vocab_size })
    }

    /// The vocabulary of a GGUF file.
    pub(crate) fn from_gguf(model: &GgufModel, end: impl IntoIterator<Item = u32>) -> Result<Self> {
        let vocabulary = LlamaVocabulary::load(model)?;
        let vocab_size = vocabulary.len();
        Ok(Self { kind: Kind::Gguf(vocabulary), end: end.into_iter().collect(), vocab_size })
    }

    /// The same tokenizer with other end tokens.
    pub(crate) fn with_end(mut self, end: impl IntoIterator<Item = u32>) -> Self {
        self.end = end.into_iter().collect();
        self
    }

    /// The tokens of a text. Special tokens spelled out in it are recognised; with `add_special` those that the
    /// model wants around every text are added, which a rendered chat template already contains.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        match &self.kind {
            Kind::Gguf(vocabulary) => vocabulary.encode(text, add_special),
            Kind::HuggingFace { tokenizer, .. } => {
                let encoding = catch_unwind(AssertUnwindSafe(|| tokenizer.encode_fast(text, add_special)))
                    .map_err(|_| Error::Internal("the tokenizer panicked on a text".to_owned()))?
                    .map_err(|error| Error::Argument(format!("could not tokenise: {error}")))?;
                Ok(encoding.get_ids().to_vec())
            }
        }
    }

    /// The text of some tokens; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if let Kind::HuggingFace { tokenizer, byte_level: false } = &self.kind {
            return catch_unwind(AssertUnwindSafe(|| tokenizer.decode(ids, skip_special)))
                .map_err(|_| Error::Internal("the tokenizer panicked on tokens".to_owned()))?
                .map_err(|error| Error::Argument(format!("could not decode: {error}")));
        }
        let mut bytes: Vec<u8> = ids.iter().flat_map(|id| self.piece(*id, skip_special)).collect();
        if self.strips_first_space() && bytes.first() == Some(&b' ') {
            bytes.remove(0);
        }
        let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
        Ok(String::from_utf8(bytes).unwrap_or_else(lossy))
    }

    /// The number of tokens that the model knows.
    pub const fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The id of a token by its text in the vocabulary.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        match &self.kind {
            Kind::HuggingFace { tokenizer, .. } => tokenizer.token_to_id(text),
            Kind::Gguf(vocabulary) => match vocabulary.encode(text, false).ok()?.as_slice() {
                [id] => Some(*id),
                _ => None,
            },
        }
    }

    /// Whether a token ends a generation.
    pub fn is_end(&self, id: u32) -> bool {
        self.end.contains(&id) || matches!(&self.kind, Kind::Gguf(vocabulary) if vocabulary.is_end(id))
    }

    /// Whether a token's text depends on its neighbours, so that decoding is more than joining bytes.
    pub(super) fn decodes_in_context(&self) -> bool {
        matches!(self.kind, Kind::HuggingFace { byte_level: false, .. })
    }

    /// Whether decoding takes away a space before the first token.
    pub(super) fn strips_first_space(&self) -> bool {
        matches!(&self.kind, Kind::Gguf(vocabulary) if vocabulary.adds_space_prefix())
    }

    /// A token's bytes, where tokens are bytes.
    pub(super) fn piece(&self, id: u32, skip_special: bool) -> Vec<u8> {
        match &self.kind {
            Kind::Gguf(vocabulary) => vocabulary.piece(id, !skip_special),
            Kind::HuggingFace { tokenizer, .. } => {
                let Some(token) = tokenizer.id_to_token(id) else {
                    return Vec::new();
                };
                if skip_special && tokenizer.get_added_vocabulary().is_special_token(&token) {
                    return Vec::new();
                }
                token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.into_bytes())
            }
        }
    }
}

/// The `tokenizers` crate numbers added tokens itself and passes over an id that it would not have given; the model
/// was trained with the ids in the file.
fn check_added_tokens(bytes: &[u8], vocabulary: &HashMap<String, u32>, file: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Added {
        #[serde(default)]
        added_tokens: Vec<AddedToken>,
    }
    #[derive(Deserialize)]
    struct AddedToken {
        id: u32,
        content: String,
    }
    let added: Added = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(file, format!("is not a tokenizer: {error}")))?;
    match added.added_tokens.iter().find(|token| vocabulary.get(&token.content) != Some(&token.id)) {
        None => Ok(()),
        Some(AddedToken { id, content }) => Err(Error::invalid(
            file,
            format!("added token `{content}` has id {id}, which does not follow the vocabulary"),
        )),
    }
}
