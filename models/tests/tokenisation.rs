//! Text to tokens and back.

use std::fs;
use std::sync::{Arc, LazyLock};

use hyprstream_models::{Architecture, ModelConfig, ModelFiles, Tokenizer, WeightType};
use hyprstream_models_testing::random;
use proptest::prelude::*;
use tempfile::TempDir;

/// Of each family the tokenizer of a directory, and that of the GGUF file converted from it.
static TOKENIZERS: LazyLock<Vec<(Arc<Tokenizer>, Arc<Tokenizer>)>> = LazyLock::new(|| {
    [Architecture::Qwen3, Architecture::Qwen2, Architecture::Llama].into_iter().map(tokenizers).collect()
});

fn tokenizers(architecture: Architecture) -> (Arc<Tokenizer>, Arc<Tokenizer>) {
    let directory = TempDir::new().unwrap();
    let config = ModelConfig {
        vocab_size: 3000,
        hidden_size: 32,
        num_attention_heads: 2,
        head_dim: 16,
        eos_token_ids: vec![2999],
        ..random::small_config(architecture)
    };
    let path = directory.path().join("model");
    random::write_model_dir(&path, &config, 11).unwrap();
    if architecture == Architecture::Llama {
        // Llama 3 keeps up to three digits together and normalises nothing.
        let file = path.join("tokenizer.json");
        let text = fs::read_to_string(&file).unwrap();
        let changed = text.replace(r"|\\p{N}|", r"|\\p{N}{1,3}|").replace(r#"{"type":"NFC"}"#, "null");
        assert_ne!(changed, text);
        fs::write(&file, changed).unwrap();
    }
    let files = ModelFiles::open(&path).unwrap();
    let gguf = ModelFiles::open(&files.gguf(directory.path(), WeightType::Stored).unwrap()).unwrap();
    (files.tokenizer(), gguf.tokenizer())
}

fn streamed(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let mut stream = tokenizer.stream();
    let mut text: String = tokens.iter().map(|token| stream.push(*token).unwrap()).collect();
    text += &stream.finish().unwrap();
    text
}

#[test]
fn special_tokens_are_single_tokens_and_can_be_left_out() {
    let (tokenizer, _) = &TOKENIZERS[0];
    let text = "<|im_start|>user\nhello<|im_end|>";
    let tokens = tokenizer.encode(text, false).unwrap();
    assert_eq!((tokens[0], tokens[tokens.len() - 1]), (2998, 2999));
    assert_eq!(tokenizer.decode(&tokens, false).unwrap(), text);
    assert_eq!(tokenizer.decode(&tokens, true).unwrap(), "user\nhello");
    assert_eq!(tokenizer.decode(&[2999], false).unwrap(), "<|im_end|>");
    assert_eq!(tokenizer.token_id("<|im_end|>"), Some(2999));
    assert_eq!(tokenizer.decode(&[1_000_000], false).unwrap(), "");
}

#[test]
fn a_character_cut_into_tokens_comes_out_whole() {
    let (tokenizer, _) = &TOKENIZERS[0];
    let tokens = tokenizer.encode("🙂", false).unwrap();
    assert!(tokens.len() > 1, "the character is several tokens: {tokens:?}");
    let mut stream = tokenizer.stream();
    let pieces: Vec<_> = tokens.iter().map(|token| stream.push(*token).unwrap()).collect();
    assert_eq!(pieces.concat(), "🙂");
    assert!(pieces[..pieces.len() - 1].iter().all(String::is_empty));
    let mut cut = tokenizer.stream();
    assert_eq!(cut.push(tokens[0]).unwrap(), "");
    assert_eq!(cut.finish().unwrap(), "\u{fffd}");
}

#[test]
fn a_tokenizer_whose_tokens_are_no_bytes_streams_what_it_decodes() {
    // Llama 2's way: spaces are U+2581, and bytes outside the vocabulary have tokens of their own.
    let mut vocabulary = serde_json::Map::new();
    for token in ["<unk>", "<s>", "</s>"] {
        vocabulary.insert(token.to_owned(), vocabulary.len().into());
    }
    for byte in 0..=255u8 {
        vocabulary.insert(format!("<0x{byte:02X}>"), vocabulary.len().into());
    }
    for token in ["\u{2581}", "h", "i", "\u{2581}h", "\u{2581}hi"] {
        vocabulary.insert(token.to_owned(), vocabulary.len().into());
    }
    let json = serde_json::json!({
        "added_tokens": [{"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true,
            "vocab": vocabulary, "merges": ["\u{2581} h", "\u{2581}h i"]},
    });
    let bytes = json.to_string();
    let tokenizer = Tokenizer::from_json(bytes.as_bytes(), "tokenizer.json".as_ref(), 300, [2]).unwrap();
    for text in ["hi hi", "hi ü🙂 hi", "hi  hi "] {
        let tokens = tokenizer.encode(text, false).unwrap();
        assert_eq!(tokenizer.decode(&tokens, true).unwrap(), text);
        assert_eq!(streamed(&tokenizer, &tokens), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn text_survives_tokenising_and_decoding(
        family in 0..3usize,
        text in "[ -~\n\t🙂é中ßя\u{1}]{0,80}|[0-9a-c .\n]{0,40}",
    ) {
        let (tokenizer, gguf) = &TOKENIZERS[family];
        let tokens = tokenizer.encode(&text, true).unwrap();
        prop_assert_eq!(&tokenizer.decode(&tokens, false).unwrap(), &text);
        prop_assert!(tokens.iter().all(|token| (*token as usize) < tokenizer.vocab_size()));
        prop_assert_eq!(streamed(tokenizer, &tokens), tokenizer.decode(&tokens, true).unwrap());
        let same = gguf.encode(&text, true).unwrap();
        prop_assert_eq!(&same, &tokens, "llama.cpp tokenises otherwise");
        prop_assert_eq!(&gguf.decode(&same, false).unwrap(), &text);
    }

    #[test]
    fn any_text_is_stable_after_one_round(text in any::<String>()) {
        let (tokenizer, _) = &TOKENIZERS[0];
        let once = tokenizer.decode(&tokenizer.encode(&text, false).unwrap(), false).unwrap();
        let twice = tokenizer.decode(&tokenizer.encode(&once, false).unwrap(), false).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn any_tokens_stream_to_what_they_decode_to(tokens in prop::collection::vec(0..3200u32, 0..60)) {
        let (tokenizer, gguf) = &TOKENIZERS[0];
        prop_assert_eq!(streamed(tokenizer, &tokens), tokenizer.decode(&tokens, true).unwrap());
        prop_assert_eq!(streamed(gguf, &tokens), gguf.decode(&tokens, true).unwrap());
    }
}
