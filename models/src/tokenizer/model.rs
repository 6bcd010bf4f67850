//! A model's tokenizer.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::string::FromUtf8Error;

use serde::Deserialize;
use tokenizers::{
    AddedToken, AddedVocabulary, Model, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper,
    OffsetType, PreTokenizer,
};

use crate::error::{Error, Result};
use crate::gguf::GgufModel;
use crate::llama::LlamaVocabulary;
use crate::tokenizer::control_tokens::{ControlToken, ControlTokens};
use crate::tokenizer::decoding::Decoding;

/// A model's tokenizer. It is `Send + Sync`: encoding and decoding change nothing.
pub struct Tokenizer {
    kind: Kind,
    control_tokens: ControlTokens,
    end: HashSet<u32>,
    vocab_size: usize,
}

enum Kind {
    HuggingFace(Box<HuggingFace>),
    Gguf(LlamaVocabulary),
}

struct HuggingFace {
    tokenizer: tokenizers::Tokenizer,
    /// The tokenizer's own, but for control tokens, which are found before the text is normalised.
    added_vocabulary: AddedVocabulary,
    /// A text that spells no control token can come to spell one by being normalised.
    normalises_control_tokens: bool,
    decoding: Decoding,
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
        let control_tokens = special_tokens(&tokenizer);
        let huggingface = HuggingFace::try_new(tokenizer, Decoding::read(bytes))
            .map_err(|error| Error::invalid(file, format!("has unusable special tokens: {error}")))?;
        let kind = Kind::HuggingFace(Box::new(huggingface));
        Ok(Self { kind, control_tokens, end: end.into_iter().collect(), vocab_size })
    }

    /// The vocabulary of a GGUF file.
    pub(crate) fn from_gguf(model: &GgufModel, end: impl IntoIterator<Item = u32>) -> Result<Self> {
        let vocabulary = LlamaVocabulary::load(model)?;
        let vocab_size = vocabulary.len();
        let control_tokens = ControlTokens::new(vocabulary.control_tokens().map(|(id, spelling, strips)| {
            ControlToken { spelling, id, strips_before: strips.0, strips_after: strips.1 }
        }));
        let end = end.into_iter().collect();
        Ok(Self { kind: Kind::Gguf(vocabulary), control_tokens, end, vocab_size })
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
            Kind::Gguf(vocabulary) => vocabulary.encode(text, add_special, true),
            Kind::HuggingFace(huggingface) => {
                encoded(|| Ok(huggingface.tokenizer.encode_fast(text, add_special)?.get_ids().to_vec()))
            }
        }
    }

    /// The tokens of a text in which `mark` stands inside whatever is no control token although it is spelled like
    /// one. The mark itself is no part of the text.
    pub(super) fn encode_marked(&self, text: &str, mark: char, add_special: bool) -> Result<Vec<u32>> {
        match &self.kind {
            Kind::Gguf(vocabulary) => self.encode_between_control_tokens(vocabulary, text, mark, add_special),
            Kind::HuggingFace(huggingface) => encoded(|| huggingface.encode_marked(text, mark, add_special)),
        }
    }

    fn encode_between_control_tokens(
        &self,
        vocabulary: &LlamaVocabulary,
        text: &str,
        mark: char,
        add_special: bool,
    ) -> Result<Vec<u32>> {
        let plain = |text: &str, add_special| vocabulary.encode(&text.replace(mark, ""), add_special, false);
        if add_special {
            // What stands around every text comes once: only a user's text has it added, and no control token.
            return plain(text, true);
        }
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((at, control)) = self.control_tokens.find(rest) {
            let (before, after) = (&rest[..at], &rest[at + control.spelling.len()..]);
            tokens.extend(plain(if control.strips_before { before.trim_end() } else { before }, false)?);
            tokens.push(control.id);
            rest = if control.strips_after { after.trim_start() } else { after };
        }
        tokens.extend(plain(rest, false)?);
        Ok(tokens)
    }

    /// Whether a text, tokenised as it is, would have a control token in it, or could have one with more text
    /// behind it.
    pub(super) fn spells_control_tokens(&self, text: &str) -> Result<bool> {
        if self.control_tokens.are_spelled_in(text) {
            return Ok(true);
        }
        match &self.kind {
            Kind::HuggingFace(huggingface) if huggingface.normalises_control_tokens => {
                Ok(self.encode(text, false)?.into_iter().any(|id| huggingface.is_special(id)))
            }
            _ => Ok(false),
        }
    }

    pub(super) const fn control_tokens(&self) -> &ControlTokens {
        &self.control_tokens
    }

    /// The text of some tokens; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if let Kind::HuggingFace(huggingface) = &self.kind
            && huggingface.decoding == Decoding::InContext
        {
            return catch_unwind(AssertUnwindSafe(|| huggingface.tokenizer.decode(ids, skip_special)))
                .map_err(|_| Error::Internal("the tokenizer panicked on tokens".to_owned()))?
                .map_err(|error| Error::Argument(format!("could not decode: {error}")));
        }
        let mut bytes: Vec<u8> = ids.iter().flat_map(|id| self.piece(*id, skip_special)).collect();
        let spaces = bytes.iter().take(self.leading_spaces()).take_while(|byte| **byte == b' ').count();
        bytes.drain(..spaces);
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
            Kind::HuggingFace(huggingface) => huggingface.tokenizer.token_to_id(text),
            Kind::Gguf(vocabulary) => match vocabulary.encode(text, false, true).ok()?.as_slice() {
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
        matches!(&self.kind, Kind::HuggingFace(huggingface) if huggingface.decoding == Decoding::InContext)
    }

    /// How many spaces before the first token decoding takes away.
    pub(super) fn leading_spaces(&self) -> usize {
        match &self.kind {
            Kind::Gguf(vocabulary) => usize::from(vocabulary.adds_space_prefix()),
            Kind::HuggingFace(huggingface) => match huggingface.decoding {
                Decoding::ByteFallback { leading_spaces, .. } => leading_spaces,
                Decoding::ByteLevel | Decoding::InContext => 0,
            },
        }
    }

    /// A token's bytes, where tokens are bytes.
    pub(super) fn piece(&self, id: u32, skip_special: bool) -> Vec<u8> {
        match &self.kind {
            Kind::Gguf(vocabulary) => vocabulary.piece(id, !skip_special),
            Kind::HuggingFace(huggingface) => {
                let Some(token) = huggingface.tokenizer.id_to_token(id) else {
                    return Vec::new();
                };
                if skip_special && huggingface.is_special(id) {
                    return Vec::new();
                }
                huggingface.decoding.bytes(token)
            }
        }
    }
}

impl HuggingFace {
    fn try_new(tokenizer: tokenizers::Tokenizer, decoding: Decoding) -> tokenizers::Result<Self> {
        let mut added_vocabulary = tokenizer.get_added_vocabulary().clone();
        let normalised: Vec<_> = special(&tokenizer)
            .filter(|(_, token)| token.normalized)
            .map(|(_, token)| token.normalized(false))
            .collect();
        let normalises_control_tokens = !normalised.is_empty() && tokenizer.get_normalizer().is_some();
        if !normalised.is_empty() {
            added_vocabulary.add_special_tokens(
                normalised,
                tokenizer.get_model(),
                tokenizer.get_normalizer(),
            )?;
        }
        Ok(Self { tokenizer, added_vocabulary, normalises_control_tokens, decoding })
    }

    /// What `Tokenizer::encode_fast` does, with the mark taken away once the control tokens are found.
    fn encode_marked(&self, text: &str, mark: char, add_special: bool) -> tokenizers::Result<Vec<u32>> {
        let tokenizer = &self.tokenizer;
        let normalizer = Unmarking { mark, then: tokenizer.get_normalizer() };
        let mut parts = self.added_vocabulary.extract_and_normalize(Some(&normalizer), text);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut parts)?;
        }
        parts.tokenize(|part| tokenizer.get_model().tokenize(part.get()))?;
        let encoding = parts.into_encoding(None, 0, OffsetType::None)?;
        Ok(tokenizer.post_process(encoding, None, add_special)?.get_ids().to_vec())
    }

    fn is_special(&self, id: u32) -> bool {
        let vocabulary = self.tokenizer.get_added_vocabulary();
        vocabulary.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special)
    }
}

/// Takes the mark out of a text before it is normalised.
struct Unmarking<'a> {
    mark: char,
    then: Option<&'a NormalizerWrapper>,
}

impl Normalizer for Unmarking<'_> {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        if text.get().contains(self.mark) {
            text.filter(|character| character != self.mark);
        }
        self.then.map_or(Ok(()), |normalizer| normalizer.normalize(text))
    }
}

/// Calls the `tokenizers` crate, which panics on some texts.
fn encoded(encode: impl FnOnce() -> tokenizers::Result<Vec<u32>>) -> Result<Vec<u32>> {
    catch_unwind(AssertUnwindSafe(encode))
        .map_err(|_| Error::Internal("the tokenizer panicked on a text".to_owned()))?
        .map_err(|error| Error::Argument(format!("could not tokenise: {error}")))
}

fn special(tokenizer: &tokenizers::Tokenizer) -> impl Iterator<Item = (u32, AddedToken)> {
    tokenizer.get_added_tokens_decoder().into_iter().filter(|(_, token)| token.special)
}

fn special_tokens(tokenizer: &tokenizers::Tokenizer) -> ControlTokens {
    ControlTokens::new(special(tokenizer).map(|(id, token)| ControlToken {
        spelling: token.content,
        id,
        strips_before: token.lstrip,
        strips_after: token.rstrip,
    }))
}

/// The `tokenizers` crate numbers added tokens itself and passes over an id that it would not have given; the model
/// was trained with the ids in the file.
fn check_added_tokens(bytes: &[u8], vocabulary: &HashMap<String, u32>, file: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Added {
        #[serde(default)]
        added_tokens: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        id: u32,
        content: String,
    }
    let added: Added = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(file, format!("is not a tokenizer: {error}")))?;
    match added.added_tokens.iter().find(|token| vocabulary.get(&token.content) != Some(&token.id)) {
        None => Ok(()),
        Some(Listed { id, content }) => Err(Error::invalid(
            file,
            format!("added token `{content}` has id {id}, which does not follow the vocabulary"),
        )),
    }
}
