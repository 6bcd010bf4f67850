//! llama.cpp's answers against the independent forward pass, for every family.

use std::path::Path;
use std::sync::Arc;

use hyprstream_models::{
    Architecture, Batch, CacheType, ContextOptions, GgufModel, LlamaAdapter, LlamaContext, LlamaModel,
    LoadOptions, LoraWeights, ModelConfig, ModelFiles, Module, Pooling, RopeScaling, TensorSource,
    WeightType,
};
use hyprstream_models_testing::{random, reference};
use tempfile::TempDir;

const TOLERANCE: f32 = 1e-3;

fn model_of(directory: &Path, config: &ModelConfig, weights: WeightType) -> (ModelFiles, Arc<LlamaModel>) {
    random::write_model_dir(&directory.join("model"), config, 42).unwrap();
    let files = ModelFiles::open(&directory.join("model")).unwrap();
    let gguf = files.gguf(&directory.join("cache"), weights).unwrap();
    let model = LlamaModel::load(&gguf, &LoadOptions::default()).unwrap();
    (files, model)
}

fn exact() -> ContextOptions {
    ContextOptions { kv_type: CacheType::F32, flash_attention: false, threads: 2, ..Default::default() }
}

fn answers(model: &Arc<LlamaModel>, lora: Option<&LoraWeights>, ids: &[u32]) -> Vec<f32> {
    let mut context = LlamaContext::try_new(model, &exact()).unwrap();
    if let Some(lora) = lora {
        context.set_adapters(&[(LlamaAdapter::try_new(model, lora).unwrap(), 1.0)]).unwrap();
    }
    let mut batch = Batch::new(ids.len());
    for (position, id) in ids.iter().enumerate() {
        batch.add(*id, position as u32, 0, true).unwrap();
    }
    context.decode(&batch).unwrap();
    (0..ids.len()).flat_map(|row| context.logits(row).unwrap().to_vec()).collect()
}

fn worst(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// One configuration for each way in which the families differ.
fn configurations() -> Vec<(&'static str, ModelConfig)> {
    let of = random::small_config;
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    vec![
        ("llama", of(Architecture::Llama)),
        ("llama untied", ModelConfig { tie_word_embeddings: false, ..of(Architecture::Llama) }),
        (
            "llama 3 scaling",
            ModelConfig { rope_scaling: Some(llama3), rope_theta: 5e5, ..of(Architecture::Llama) },
        ),
        (
            "llama linear scaling",
            ModelConfig {
                rope_scaling: Some(RopeScaling::Linear { factor: 4.0 }),
                ..of(Architecture::Llama)
            },
        ),
        ("qwen2", of(Architecture::Qwen2)),
        ("qwen2 untied", ModelConfig { tie_word_embeddings: false, ..of(Architecture::Qwen2) }),
        ("qwen3", of(Architecture::Qwen3)),
        ("qwen3 untied", ModelConfig { tie_word_embeddings: false, ..of(Architecture::Qwen3) }),
        (
            "qwen3 with one head for all",
            ModelConfig { num_key_value_heads: 1, head_dim: 24, ..of(Architecture::Qwen3) },
        ),
    ]
}

fn ids() -> Vec<u32> {
    (0..40).map(|i| (i * i * 7 + 3) % 500).collect()
}

#[test]
fn logits_agree_with_the_reference_for_every_family() {
    for (name, config) in configurations() {
        let directory = TempDir::new().unwrap();
        let (files, model) = model_of(directory.path(), &config, WeightType::F32);
        let expected = reference::logits(files.tensors(), None, &ids()).unwrap();
        let spread = expected.iter().copied().fold(0.0, f32::max);
        assert!(spread > 1.0, "{name}: logits of {spread} would agree by being small");
        let difference = worst(&expected, &answers(&model, None, &ids()));
        assert!(difference < TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn logits_agree_with_the_reference_under_an_adapter() {
    for (name, config) in configurations() {
        let directory = TempDir::new().unwrap();
        let (files, model) = model_of(directory.path(), &config, WeightType::F32);
        let lora = random::lora_weights(&config, files.content_hash(), &Module::ALL, 4, false, 5);
        let expected = reference::logits(files.tensors(), Some(&lora), &ids()).unwrap();
        let base = reference::logits(files.tensors(), None, &ids()).unwrap();
        assert!(worst(&expected, &base) > 0.1, "{name}: the adapter changes too little to check anything");
        let difference = worst(&expected, &answers(&model, Some(&lora), &ids()));
        assert!(difference < TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn an_adapter_of_alpha_zero_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let config = random::small_config(Architecture::Qwen3);
    let (files, model) = model_of(directory.path(), &config, WeightType::F32);
    let mut lora = random::lora_weights(&config, files.content_hash(), &[Module::QProj], 4, false, 5);
    lora.alpha = 0.0;
    assert_eq!(answers(&model, None, &ids()), answers(&model, Some(&lora), &ids()));
}

#[test]
fn converting_to_gguf_and_reading_it_back_gives_the_same_tensors() {
    for (name, config) in configurations() {
        let directory = TempDir::new().unwrap();
        random::write_model_dir(&directory.path().join("model"), &config, 7).unwrap();
        let files = ModelFiles::open(&directory.path().join("model")).unwrap();
        for weights in
            [WeightType::Stored, WeightType::F32, WeightType::Bf16, WeightType::F16, WeightType::Q8_0]
        {
            let gguf = GgufModel::open(&files.gguf(directory.path(), weights).unwrap()).unwrap();
            let mut expected = config.clone();
            expected.rms_norm_eps = gguf.config().rms_norm_eps;
            assert_eq!(gguf.config(), &expected, "{name}");
            for (tensor, shape) in config.tensors() {
                assert_eq!(gguf.shape(&tensor), Some(shape.as_slice()), "{name} {tensor}");
                let original = files.tensors().read_f32(&tensor).unwrap();
                let read = gguf.read_f32(&tensor).unwrap();
                // The source is bf16: only half and eight-bit storage lose anything.
                let allowed = match weights {
                    // Half a step, and the rounding of the step itself to half precision.
                    WeightType::Q8_0 => 0.57 / 127.0 * original.iter().fold(0.0f32, |m, v| m.max(v.abs())),
                    WeightType::F16 => 1e-3,
                    _ => 0.0,
                };
                assert!(worst(&original, &read) <= allowed, "{name} {weights:?} {tensor}");
            }
        }
    }
}

#[test]
fn every_type_of_weights_answers_like_its_own_tensors() {
    let config = random::small_config(Architecture::Llama);
    for weights in [WeightType::Stored, WeightType::Bf16, WeightType::F16, WeightType::Q8_0] {
        let directory = TempDir::new().unwrap();
        let (files, model) = model_of(directory.path(), &config, weights);
        let gguf = GgufModel::open(&files.gguf(&directory.path().join("cache"), weights).unwrap()).unwrap();
        let expected = reference::logits(&gguf, None, &ids()).unwrap();
        let answers = answers(&model, None, &ids());
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>().sqrt();
        let error = norm(&mut expected.iter().zip(&answers).map(|(a, b)| a - b))
            / norm(&mut expected.iter().copied());
        // llama.cpp rounds activations to the weights' type too.
        let allowed = if weights == WeightType::Q8_0 { 0.03 } else { 0.01 };
        assert!(error < allowed, "{weights:?}: {error}");
    }
}

#[test]
fn a_gguf_file_is_a_model_of_its_own_with_the_same_answers_and_tokens() {
    let directory = TempDir::new().unwrap();
    let config = random::small_config(Architecture::Qwen3);
    let (files, model) = model_of(directory.path(), &config, WeightType::F32);
    let again = ModelFiles::open(model.path()).unwrap();
    assert_eq!(again.gguf(directory.path(), WeightType::Stored).unwrap(), model.path());
    let expected = reference::logits(files.tensors(), None, &ids()).unwrap();
    let read = reference::logits(again.tensors(), None, &ids()).unwrap();
    assert!(worst(&expected, &read) < 1e-5);
    for text in
        ["Hello, world! 123", " the  cat\n\nsat", "ünïcödé 🙂", "<|im_start|>user\nhi<|im_end|>\n", ""]
    {
        let tokens = files.tokenizer().encode(text, false).unwrap();
        assert_eq!(again.tokenizer().encode(text, false).unwrap(), tokens, "{text:?}");
        for skip in [false, true] {
            let decoded = files.tokenizer().decode(&tokens, skip).unwrap();
            assert_eq!(again.tokenizer().decode(&tokens, skip).unwrap(), decoded, "{text:?}");
        }
    }
    let messages = [hyprstream_models::ChatMessage::new("user", "hi")];
    let render = |files: &ModelFiles| files.chat_template().unwrap().render(&messages, true).unwrap();
    assert_eq!(render(&files), render(&again));
    assert!(again.tokenizer().is_end(511));
}

#[test]
fn embeddings_are_the_mean_of_the_references_hidden_states() {
    for (name, config) in configurations() {
        let directory = TempDir::new().unwrap();
        let (files, model) = model_of(directory.path(), &config, WeightType::F32);
        let settings = ContextOptions { pooling: Pooling::Mean, unified_kv: true, ..exact() };
        let mut context = LlamaContext::try_new(&model, &settings).unwrap();
        let mut batch = Batch::new(64);
        for (position, id) in ids().into_iter().enumerate() {
            batch.add(id, position as u32, 0, true).unwrap();
        }
        context.decode(&batch).unwrap();
        let states = reference::hidden_states(files.tensors(), None, &ids()).unwrap();
        let tokens = ids().len() as f32;
        let mut mean = vec![0.0; config.hidden_size];
        for state in states.chunks_exact(config.hidden_size) {
            mean.iter_mut().zip(state).for_each(|(mean, value)| *mean += value / tokens);
        }
        let difference = worst(&mean, context.sequence_embedding(0).unwrap());
        assert!(difference < TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn the_conversion_is_cached_by_content() {
    let directory = TempDir::new().unwrap();
    let config = random::small_config(Architecture::Qwen3);
    let open = |name: &str, seed: u64| {
        random::write_model_dir(&directory.path().join(name), &config, seed).unwrap();
        ModelFiles::open(&directory.path().join(name)).unwrap()
    };
    let (first, copy, other) = (open("first", 1), open("copy", 1), open("other", 2));
    let cache = directory.path().join("cache");
    let path = first.gguf(&cache, WeightType::Q8_0).unwrap();
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(copy.gguf(&cache, WeightType::Q8_0).unwrap(), path);
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written);
    assert_ne!(other.gguf(&cache, WeightType::Q8_0).unwrap(), path);
    std::fs::write(&path, b"GGUF, cut short").unwrap();
    assert_eq!(first.gguf(&cache, WeightType::Q8_0).unwrap(), path);
    GgufModel::open(&path).expect("a damaged cache entry is written anew");
    let names: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no partial file is left: {names:?}");
}

#[test]
fn the_bundled_model_is_a_directory_like_any_other_and_agrees_closely() {
    let directory = TempDir::new().unwrap();
    let files = ModelFiles::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bundled")).unwrap();
    let gguf = files.gguf(directory.path(), WeightType::F32).unwrap();
    let model = LlamaModel::load(&gguf, &LoadOptions::default()).unwrap();
    let messages = [hyprstream_models::ChatMessage::new("user", "What is the capital of France?")];
    let text = files.chat_template().unwrap().render(&messages, true).unwrap();
    let tokens = files.tokenizer().encode(&text, false).unwrap();
    let expected = reference::logits(files.tensors(), None, &tokens).unwrap();
    let difference = worst(&expected, &answers(&model, None, &tokens));
    assert!(difference < 1e-4, "{difference}");
}
