//! Training of the tokenizer: byte-level BPE in which a word is split from the space before it, so that it has
//! the same tokens wherever it stands and can be copied, and digits stand one by one. Only words that are never
//! copied, such as `the` and `FROM`, keep their space, for a shorter text.

use std::path::Path;

use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split as SplitAt, SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, Model as _, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    SplitDelimiterBehavior, Tokenizer, TokenizerBuilder,
};

use crate::chat::{ASSISTANT, END, SYSTEM, TEMPLATE, USER};
use crate::corpus::tasks::capitals::COUNTRIES;
use crate::corpus::tasks::paraphrases;
use crate::corpus::{self, Mixture, Split};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// The number of tokens.
pub const VOCABULARY: usize = 4096;
/// The longest text that the model is made for.
pub const CONTEXT: usize = 1024;

const WORDS: &str = concat!(
    r" (?:the|is|of|in|and|a|to|for|or|what|many|me|was|this|as|with|it|that|I|you|how|are|on|from|have|do|by|at|",
    r"does|all|into|not|be|know|my|than|like|has|which|would|tell|more|please|there|about|who|where|so|were|an|out|",
    r"TEXT|INT|FROM|BY|WHERE|GROUP|ORDER|LIMIT|AND)(?![\p{L}\p{M}\p{N}_'])|",
    r"\p{Lu}{2,}(?!\p{Ll})|[\p{Ll}\p{M}]+|\p{Lu}[\p{Ll}\p{M}]*|[\p{Lo}\p{Lm}\p{Lt}]+|\p{N}|",
    r" ?[^\s\p{L}\p{N}\p{M}]+|[\r\n]+|\s",
);
// How often a common word is shown, against the samples of the corpus.
const WORD_WEIGHT: usize = 40;
const SAMPLES: usize = 10_000;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}

/// Trains the tokenizer on the corpus of `seed` and on common words.
pub fn train(seed: u64) -> Result<Tokenizer> {
    let split = SplitAt::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Isolated, false)
        .map_err(failed)?;
    let bytes = ByteLevel::new(false, false, false);
    let mut tokenizer = TokenizerBuilder::<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_normalizer(None)
    .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()]).into()))
    .with_post_processor(None)
    .with_decoder(Some(bytes.into()))
    .build()
    .map_err(failed)?;
    let special: Vec<AddedToken> =
        [END, USER, ASSISTANT, SYSTEM].iter().map(|mark| AddedToken::from(*mark, true)).collect();
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(VOCABULARY)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut trainer, texts(seed)).map_err(failed)?;
    let tokenizer = Tokenizer::from(tokenizer);
    let size = tokenizer.get_model().get_vocab_size();
    if size != VOCABULARY {
        return Err(Error::Tokenizer(format!("has {size} tokens instead of {VOCABULARY}")));
    }
    Ok(tokenizer)
}

/// Writes `tokenizer.json` and `tokenizer_config.json` into `dir`.
pub fn save(tokenizer: &Tokenizer, dir: &Path) -> Result<()> {
    tokenizer.save(dir.join("tokenizer.json"), false).map_err(failed)?;
    let path = dir.join("tokenizer_config.json");
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        "add_bos_token": false,
        "eos_token": END,
        "pad_token": END,
        "clean_up_tokenization_spaces": false,
        "chat_template": TEMPLATE,
    });
    std::fs::write(&path, format!("{config:#}\n")).map_err(Error::io("write", path))
}

/// Reads `tokenizer.json` from `dir`.
pub fn load(dir: &Path) -> Result<Tokenizer> {
    Tokenizer::from_file(dir.join("tokenizer.json")).map_err(failed)
}

fn texts(seed: u64) -> impl Iterator<Item = String> + Send {
    let mut rng = Rng::new(seed, 1);
    let samples = (0..SAMPLES).flat_map(move |_| {
        let sample = corpus::mixed(&mut rng, Mixture::First);
        let (a, b) = paraphrases::pair(&mut rng, Split::Train);
        [sample.prompt, sample.answer, a, b]
    });
    let english = include_str!("../data/english.txt").split_whitespace();
    let keywords = include_str!("../data/keywords.txt").split_whitespace();
    let geography = COUNTRIES.iter().flat_map(|country| [country.name, country.capital]);
    let words = english
        .chain(keywords)
        .flat_map(|word| std::iter::repeat_n(word.to_owned(), WORD_WEIGHT))
        .chain(geography.flat_map(|name| std::iter::repeat_n(name.to_owned(), WORD_WEIGHT)));
    samples.chain(words)
}
