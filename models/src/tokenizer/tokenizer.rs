//! Text to tokens and back: by `tokenizer.json` where there is one, else by a GGUF file's own vocabulary.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    string::FromUtf8Error,
    sync::LazyLock,
};

use serde::Deserialize;
use tokenizers::{DecoderWrapper, ModelWrapper};

use crate::{Error, Result, llama::LlamaVocabulary};

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

    /// The vocabulary of a GGUF file that was validated by the caller.
    pub(crate) fn from_gguf(path: &Path, end: impl IntoIterator<Item = u32>) -> Result<Self> {
        let vocabulary = LlamaVocabulary::load(path)?;
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

    /// Decodes tokens one after another; special tokens are left out.
    pub const fn stream(&self) -> TokenStream<'_> {
        TokenStream {
            tokenizer: self,
            started: false,
            bytes: Vec::new(),
            ids: Vec::new(),
            prefix: 0,
            read: 0,
        }
    }

    /// The number of tokens that the model knows.
    pub const fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// One token as text, special ones too; empty for an id without a token.
    pub fn token_text(&self, id: u32) -> String {
        match &self.kind {
            Kind::HuggingFace { tokenizer, byte_level: false } => {
                tokenizer.id_to_token(id).unwrap_or_default().replace('\u{2581}', " ")
            }
            _ => String::from_utf8_lossy(&self.piece(id, false)).into_owned(),
        }
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

    fn strips_first_space(&self) -> bool {
        matches!(&self.kind, Kind::Gguf(vocabulary) if vocabulary.adds_space_prefix())
    }

    /// A token's bytes, where tokens are bytes.
    fn piece(&self, id: u32, skip_special: bool) -> Vec<u8> {
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

/// Text from tokens as they come, never a broken character.
#[derive(Debug)]
pub struct TokenStream<'a> {
    tokenizer: &'a Tokenizer,
    started: bool,
    /// Bytes that do not yet end a character.
    bytes: Vec<u8>,
    /// Where tokens are not bytes: the tokens that still influence the next text.
    ids: Vec<u32>,
    prefix: usize,
    read: usize,
}

impl TokenStream<'_> {
    /// Takes a token and returns the text that it completes, which may be empty.
    pub fn push(&mut self, id: u32) -> Result<String> {
        if matches!(self.tokenizer.kind, Kind::HuggingFace { byte_level: false, .. }) {
            return self.push_by_context(id);
        }
        self.bytes.extend(self.tokenizer.piece(id, true));
        if !self.started && !self.bytes.is_empty() {
            self.started = true;
            if self.tokenizer.strips_first_space() && self.bytes.first() == Some(&b' ') {
                self.bytes.remove(0);
            }
        }
        Ok(self.complete())
    }

    /// What is left at the end: a character that never became whole is U+FFFD.
    pub fn finish(mut self) -> Result<String> {
        if matches!(self.tokenizer.kind, Kind::HuggingFace { byte_level: false, .. }) {
            let known = self.tokenizer.decode(&self.ids[self.prefix..self.read], true)?;
            let all = self.tokenizer.decode(&self.ids[self.prefix..], true)?;
            return Ok(all.get(known.len()..).unwrap_or_default().to_owned());
        }
        let mut text = self.complete();
        if !self.bytes.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Ok(text)
    }

    /// Everything up to the last whole character; what can never become one is U+FFFD.
    fn complete(&mut self) -> String {
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.bytes.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.bytes[..valid]));
                    let Some(length) = error.error_len() else {
                        self.bytes.drain(..valid);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..valid + length);
                }
            }
        }
    }

    /// Where a token's text depends on its neighbours, compares the text with and without it.
    fn push_by_context(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let known = self.tokenizer.decode(&self.ids[self.prefix..self.read], true)?;
        let all = self.tokenizer.decode(&self.ids[self.prefix..], true)?;
        if all.len() <= known.len() || all.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        self.prefix = self.read;
        self.read = self.ids.len();
        Ok(all.get(known.len()..).unwrap_or_default().to_owned())
    }
}

/// GPT-2's spelling of bytes: printable ones stand for themselves, the others follow from U+0100.
static BYTES: LazyLock<[Option<u8>; 324]> = LazyLock::new(|| {
    let mut bytes = [None; 324];
    let mut next = 256;
    for byte in 0..=255u8 {
        if matches!(byte, 33..=126 | 161..=172 | 174..=255) {
            bytes[byte as usize] = Some(byte);
        } else {
            bytes[next] = Some(byte);
            next += 1;
        }
    }
    bytes
});

fn byte_of(spelling: char) -> Option<u8> {
    BYTES.get(spelling as usize).copied().flatten()
}

/// The spelling of every byte, for writing vocabularies.
pub(crate) fn byte_spellings() -> Vec<char> {
    let mut spellings = vec!['\0'; 256];
    for (spelling, byte) in BYTES.iter().enumerate() {
        if let (Some(byte), Some(spelling)) = (byte, char::from_u32(spelling as u32)) {
            spellings[usize::from(*byte)] = spelling;
        }
    }
    spellings
}
