//! Malformed model files of every sort are refused with the file and the reason: no panic, no abort.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hyprstream_models::{
    Architecture, Batch, ContextOptions, Error, GgufModel, LlamaContext, LlamaModel, LoadOptions,
    ModelConfig, ModelFiles, WeightType,
};
use hyprstream_models_testing::random;
use proptest::prelude::*;
use tempfile::TempDir;

fn tiny(architecture: Architecture) -> ModelConfig {
    ModelConfig {
        vocab_size: random::MIN_VOCABULARY,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        eos_token_ids: vec![random::MIN_VOCABULARY as u32 - 1],
        ..random::small_config(architecture)
    }
}

/// A fresh, valid directory.
fn model() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model");
    random::write_model_dir(&path, &tiny(Architecture::Qwen3), 3).unwrap();
    (directory, path)
}

/// The reason for which a directory is refused; the named file must be the one at fault.
fn reason(path: &Path, at_fault: &str) -> String {
    match ModelFiles::open(path) {
        Err(Error::Invalid { file, reason }) => {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            assert_eq!(name, at_fault, "{reason}");
            reason
        }
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("accepted, where {at_fault} should have been refused"),
    }
}

/// Replaces a part of a JSON file.
fn edit(path: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(path.join(name)).unwrap();
    assert!(text.contains(from), "{name} has no {from}");
    fs::write(path.join(name), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_directory_that_lacks_a_file_is_refused_by_its_name() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let (_keep, path) = model();
        fs::remove_file(path.join(name)).unwrap();
        assert!(reason(&path, "model").contains(name));
    }
    let (_keep, path) = model();
    assert!(matches!(ModelFiles::open(&path.join("absent")), Err(Error::Io { .. })));
}

#[test]
fn a_configuration_that_cannot_be_is_refused() {
    for (from, to, expected) in [
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "o_proj"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads is 0"),
        ("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 7", "not a multiple"),
        ("\"hidden_size\": 16", "\"hidden_size\": 4294967296", "hidden_size is 4294967296"),
        ("\"hidden_size\": 16", "\"hidden_size\": -16", "hidden_size is -16"),
        ("\"hidden_size\": 16", "\"hidden_size\": 1e400", "not valid JSON"),
        ("\"hidden_size\": 16", "\"hidden_size\": \"16\"", "not a size"),
        ("\"head_dim\": 8", "\"head_dim\": 7", "head_dim is 7"),
        ("\"rms_norm_eps\": 1e-6", "\"rms_norm_eps\": NaN", "not valid JSON"),
        ("\"rms_norm_eps\": 1e-6", "\"rms_norm_eps\": -1", "rms_norm_eps is -1"),
        ("\"rope_theta\": 10000.0", "\"rope_theta\": 0", "rope_theta is 0"),
        ("\"eos_token_id\": 258", "\"eos_token_id\": 259", "token id 259"),
        ("\"vocab_size\": 259", "\"vocab_size\": 258", "token id 258"),
        ("\"num_hidden_layers\": 1", "\"num_hidden_layers\": 100000", "num_hidden_layers is 100000"),
    ] {
        let (_keep, path) = model();
        edit(&path, "config.json", from, to);
        let file = if expected == "o_proj" { "model.safetensors" } else { "config.json" };
        let reason = reason(&path, file);
        assert!(reason.contains(expected), "{to}: {reason}");
    }
}

#[test]
fn what_is_not_handled_is_said_to_be_unsupported() {
    for (from, to) in [
        ("\"model_type\": \"qwen3\"", "\"model_type\": \"gpt_neox\""),
        ("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\""),
        ("\"attention_bias\": false", "\"attention_bias\": true"),
        ("\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4}"),
        ("\"hidden_act\"", "\"use_sliding_window\": true, \"hidden_act\""),
        ("\"hidden_act\"", "\"quantization_config\": {}, \"hidden_act\""),
    ] {
        let (_keep, path) = model();
        edit(&path, "config.json", from, to);
        assert!(matches!(ModelFiles::open(&path), Err(Error::Unsupported(_))), "{to}");
    }
}

#[test]
fn a_configuration_that_is_no_text_is_refused() {
    for bytes in [&b""[..], b"null", b"[1]", b"\xff\xfe{}", b"{\"model_type\": \"\xff\"}", &[b'['; 10_000]] {
        let (_keep, path) = model();
        fs::write(path.join("config.json"), bytes).unwrap();
        reason(&path, "config.json");
    }
}

#[test]
fn malformed_weights_are_refused() {
    let (_keep, path) = model();
    let file = path.join("model.safetensors");
    let good = fs::read(&file).unwrap();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let with_header = |change: &dyn Fn(&str) -> String| {
        let text = change(std::str::from_utf8(&good[8..8 + header]).unwrap());
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(&good[8 + header..]);
        bytes
    };
    let mut longest = good.clone();
    longest[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("truncated length", good[..5].to_vec()),
        ("truncated header", good[..20].to_vec()),
        ("truncated data", good[..good.len() - 1].to_vec()),
        ("too much data", [good.as_slice(), &[0]].concat()),
        ("impossible length", longest),
        ("NaN in the header", with_header(&|text| text.replacen("[0,", "[NaN,", 1))),
        ("garbage header", with_header(&|text| text.replacen('{', "\u{1}", 1))),
        ("offset past the end", with_header(&|text| text.replacen("[0,", "[99999999999,", 1))),
        ("negative offset", with_header(&|text| text.replacen("[0,", "[-1,", 1))),
        (
            "absurd dimension",
            with_header(&|text| text.replacen("\"shape\":[", "\"shape\":[18446744073709551615,", 1)),
        ),
        ("missing tensor", with_header(&|text| text.replacen("model.norm.weight", "model.form.weight", 1))),
        ("unknown type", with_header(&|text| text.replacen("BF16", "BF99", 1))),
        ("deep header", with_header(&|_| "[".repeat(50_000))),
    ];
    for (name, bytes) in cases {
        fs::write(&file, bytes).unwrap();
        match ModelFiles::open(&path) {
            Err(Error::Invalid { file, reason }) => {
                assert!(
                    file.starts_with(&path) && !reason.is_empty(),
                    "{name}: {}: {reason}",
                    file.display()
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    fs::write(&file, good).unwrap();
    ModelFiles::open(&path).expect("the untouched file is accepted");
}

#[test]
fn an_index_that_names_files_elsewhere_is_refused() {
    for (shard, expected) in [
        ("../secret.safetensors", "not a file beside it"),
        ("/etc/passwd", "not a file beside it"),
        ("sub/model.safetensors", "not a file beside it"),
        ("..", "not a file beside it"),
        ("", "not a file beside it"),
        ("a\\u0000b", "not a file beside it"),
        ("absent.safetensors", "not there"),
    ] {
        let (_keep, path) = model();
        fs::rename(path.join("model.safetensors"), path.join("shard.safetensors")).unwrap();
        fs::write(path.parent().unwrap().join("secret.safetensors"), b"secret").unwrap();
        let index = format!("{{\"weight_map\": {{\"model.norm.weight\": \"{shard}\"}}}}");
        fs::write(path.join("model.safetensors.index.json"), index).unwrap();
        let reason = reason(&path, "model.safetensors.index.json");
        assert!(reason.contains(expected), "{shard}: {reason}");
    }
    for index in ["", "{}", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}"] {
        let (_keep, path) = model();
        fs::remove_file(path.join("model.safetensors")).unwrap();
        fs::write(path.join("model.safetensors.index.json"), index).unwrap();
        reason(&path, "model.safetensors.index.json");
    }
}

#[test]
fn a_sharded_model_is_read_like_a_whole_one() {
    let (_keep, path) = model();
    let whole = ModelFiles::open(&path).unwrap();
    let hash = whole.content_hash();
    fs::rename(path.join("model.safetensors"), path.join("model-00001-of-00001.safetensors")).unwrap();
    let index = "{\"weight_map\": {\"model.norm.weight\": \"model-00001-of-00001.safetensors\"}}";
    fs::write(path.join("model.safetensors.index.json"), index).unwrap();
    assert_eq!(ModelFiles::open(&path).unwrap().content_hash(), hash);
    fs::copy(path.join("model-00001-of-00001.safetensors"), path.join("again.safetensors")).unwrap();
    let index =
        "{\"weight_map\": {\"a\": \"model-00001-of-00001.safetensors\", \"b\": \"again.safetensors\"}}";
    fs::write(path.join("model.safetensors.index.json"), index).unwrap();
    assert!(
        matches!(ModelFiles::open(&path), Err(Error::Invalid { reason, .. }) if reason.contains("two shards"))
    );
}

#[test]
fn a_malformed_tokenizer_is_refused() {
    for text in ["", "{}", "{\"model\": {\"type\": \"BPE\"}}", "null", "{\"model\": {\"type\": \"Unknown\"}}"]
    {
        let (_keep, path) = model();
        fs::write(path.join("tokenizer.json"), text).unwrap();
        reason(&path, "tokenizer.json");
    }
    for (from, to, expected) in [
        ("\"id\":258", "\"id\":70000", "does not follow the vocabulary"),
        ("\"merges\":[]", "\"merges\":[[\"a\",\"nothing\"]]", "not a tokenizer"),
        ("\"BPE\"", "\"WordPiece\"", "not a tokenizer"),
    ] {
        let (_keep, path) = model();
        edit(&path, "tokenizer.json", from, to);
        let reason = reason(&path, "tokenizer.json");
        assert!(reason.contains(expected), "{to}: {reason}");
    }
    let (_keep, path) = model();
    fs::write(path.join("tokenizer_config.json"), "{\"chat_template\": \"{% if %}\"}").unwrap();
    assert!(reason(&path, "tokenizer_config.json").contains("chat template"));
}

/// A valid GGUF file of each family.
static GGUF: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3]
        .into_iter()
        .map(|architecture| {
            let directory = TempDir::new().unwrap();
            random::write_model_dir(&directory.path().join("model"), &tiny(architecture), 3).unwrap();
            let files = ModelFiles::open(&directory.path().join("model")).unwrap();
            fs::read(files.gguf(directory.path(), WeightType::Stored).unwrap()).unwrap()
        })
        .collect()
});

/// Opens, and what is accepted is loaded and decoded: llama.cpp must not abort on it.
fn open_gguf(bytes: &[u8]) -> Result<(), Error> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    GgufModel::open(&path)?;
    let Ok(files) = ModelFiles::open(&path) else {
        return Ok(());
    };
    let tokens = files.tokenizer().encode("a b\nc", true).unwrap();
    files.tokenizer().decode(&tokens, false).unwrap();
    let Ok(model) = LlamaModel::load(&path, &LoadOptions::default()) else {
        return Ok(());
    };
    let options =
        ContextOptions { context_length: 256, batch: 32, micro_batch: 32, threads: 1, ..Default::default() };
    let mut context = LlamaContext::try_new(&model, &options).unwrap();
    let mut batch = Batch::new(2);
    batch.add(1, 0, 0, false).unwrap();
    batch.add(2, 1, 0, true).unwrap();
    context.decode(&batch).unwrap();
    assert_eq!(context.logits(1).unwrap().len(), files.config().vocab_size);
    Ok(())
}

/// Puts other bytes where the first occurrence of a key's value begins.
fn with_value(key: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = GGUF[2].clone();
    let at = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn malformed_gguf_files_are_refused() {
    let good = &GGUF[2];
    open_gguf(good).expect("the untouched file is accepted");
    let patch = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    let u32_value = |value: u32| [4u32.to_le_bytes(), value.to_le_bytes()].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("wrong magic", patch(0, b"GGML")),
        ("version 1", patch(4, &1u32.to_le_bytes())),
        ("big endian version", patch(4, &3u32.to_be_bytes())),
        ("absurd tensor count", patch(8, &u64::MAX.to_le_bytes())),
        ("absurd metadata count", patch(16, &(u64::MAX / 2).to_le_bytes())),
        ("one tensor too many", patch(8, &(14u64).to_le_bytes())),
        ("absurd key length", patch(24, &u64::MAX.to_le_bytes())),
        ("truncated by one", good[..good.len() - 32].to_vec()),
        ("head only", good[..24].to_vec()),
        ("no layers", with_value("qwen3.block_count", &u32_value(0))),
        ("absurd layers", with_value("qwen3.block_count", &u32_value(u32::MAX))),
        ("another width", with_value("qwen3.embedding_length", &u32_value(32))),
        ("absurd width", with_value("qwen3.embedding_length", &u32_value(u32::MAX))),
        ("no heads", with_value("qwen3.attention.head_count", &u32_value(0))),
        ("a string for a size", with_value("qwen3.context_length", &8u32.to_le_bytes())),
        ("an end token outside", with_value("tokenizer.ggml.eos_token_id", &u32_value(259))),
        (
            "another tokenizer",
            with_value("tokenizer.ggml.model", &[8u8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, b'n']),
        ),
        (
            "absurd array",
            with_value(
                "tokenizer.ggml.tokens",
                &[9, 0, 0, 0, 8, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127],
            ),
        ),
        (
            "absurd tensor dimension",
            with_value("token_embd.weight", &[2, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127]),
        ),
        ("empty tensor dimension", with_value("token_embd.weight", &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("nine dimensions", with_value("token_embd.weight", &9u32.to_le_bytes())),
    ];
    for (name, bytes) in cases {
        match open_gguf(&bytes) {
            Err(Error::Invalid { reason, .. }) => assert!(!reason.is_empty(), "{name}"),
            Err(Error::Unsupported(_)) if name == "another tokenizer" => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip { at: usize, bit: u8 },
    Overwrite { at: usize, value: u64 },
    Truncate { at: usize },
    Remove { at: usize, length: usize },
    Repeat { at: usize, length: usize },
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let wrapped = |at: usize| at % bytes.len().max(1);
        match *self {
            Self::Flip { at, bit } => {
                let at = wrapped(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Overwrite { at, value } => {
                let at = wrapped(at);
                for (byte, new) in bytes.iter_mut().skip(at).zip(value.to_le_bytes()) {
                    *byte = new;
                }
            }
            Self::Truncate { at } => bytes.truncate(wrapped(at)),
            Self::Remove { at, length } => {
                let at = wrapped(at);
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Repeat { at, length } => {
                let at = wrapped(at);
                let part = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}

/// Mutations of the first `head` bytes, where the structure lies.
fn mutation(head: usize) -> impl Strategy<Value = Mutation> {
    let value = prop_oneof![
        Just(0u64),
        Just(u64::MAX),
        Just(u64::MAX / 2),
        Just(1 << 32),
        (0u64..64),
        Just(u64::from_le_bytes(*b"\xff\xfe\xfd\xfc\0\0\0\0")),
        any::<u64>(),
    ];
    prop_oneof![
        4 => (0..head, 0..8u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        4 => (0..head, value).prop_map(|(at, value)| Mutation::Overwrite { at, value }),
        1 => (0..head * 2).prop_map(|at| Mutation::Truncate { at }),
        1 => (0..head, 1..64usize).prop_map(|(at, length)| Mutation::Remove { at, length }),
        1 => (0..head, 1..64usize).prop_map(|(at, length)| Mutation::Repeat { at, length }),
    ]
}

fn allowed(result: Result<(), Error>) -> Result<(), TestCaseError> {
    match result {
        Ok(()) | Err(Error::Invalid { .. } | Error::Unsupported(_)) => Ok(()),
        Err(other) => Err(TestCaseError::fail(format!("another error: {other:?}"))),
    }
}

/// `PROPTEST_CASES` raises the counts for long runs.
fn cases(count: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(256) / 256 * count, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_mutated_gguf_file_is_loaded_or_refused(
        family in 0..3usize,
        mutations in prop::collection::vec(mutation(12_000), 1..3),
    ) {
        let mut bytes = GGUF[family].clone();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        allowed(open_gguf(&bytes))?;
    }

    #[test]
    fn a_mutated_directory_is_loaded_or_refused(
        (name, mutations) in prop_oneof![
            (Just("config.json"), prop::collection::vec(mutation(700), 1..3)),
            (Just("model.safetensors"), prop::collection::vec(mutation(1500), 1..3)),
            (Just("tokenizer.json"), prop::collection::vec(mutation(5000), 1..3)),
            (Just("tokenizer_config.json"), prop::collection::vec(mutation(400), 1..3)),
        ],
    ) {
        let (directory, path) = model();
        let mut bytes = fs::read(path.join(name)).unwrap();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        fs::write(path.join(name), bytes).unwrap();
        let opened = ModelFiles::open(&path).and_then(|files| {
            files.tokenizer().encode("a text", true)?;
            let gguf = files.gguf(directory.path(), WeightType::Stored)?;
            LlamaModel::load(&gguf, &LoadOptions::default()).map(drop)
        });
        allowed(opened)?;
    }
}
