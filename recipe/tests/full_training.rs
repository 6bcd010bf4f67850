//! Training of all weights, and the files it leaves.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyprstream_bundled_recipe::Error;
use hyprstream_bundled_recipe::full_training::{
    BF16, FullBatch, FullOptions, FullReport, FullTrainer, ProjectionRule,
};
use hyprstream_learning::{
    AdamOptions, BaseWeights, Error as LearningError, Example, LoraConfig, LoraTrainer, Precision,
    TrainOptions,
};
use hyprstream_models::{Architecture, ModelConfig};
use hyprstream_models_testing::random;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn config(tied: bool) -> ModelConfig {
    ModelConfig {
        vocab_size: 80,
        hidden_size: 32,
        intermediate_size: 64,
        head_dim: 8,
        tie_word_embeddings: tied,
        eos_token_ids: vec![0],
        ..random::small_config(Architecture::Qwen3)
    }
}

fn trainer(threads: usize) -> FullTrainer {
    let adam = AdamOptions { weight_decay: 0.01, ..AdamOptions::default() };
    let options =
        FullOptions { learning_rate: 8e-3, total_steps: 200, adam, threads, ..FullOptions::default() };
    FullTrainer::try_new(BaseWeights::random(&config(true), 2).unwrap(), options).unwrap()
}

fn language() -> Vec<Example> {
    let tokens =
        |seed: u32| (0..6 + seed % 5).map(|position| (seed * 9 + position * position * 3) % 80).collect();
    (0..10).map(|seed| Example { tokens: tokens(seed), completion_start: 1 }).collect()
}

/// Two texts of a pair share no token.
fn pairs() -> Vec<(Vec<u32>, Vec<u32>)> {
    let text = |seed: u32, low: u32| {
        (0..4 + seed % 3).map(|position| low + (seed * 5 + position * 3) % 40).collect()
    };
    (0..8).map(|seed| (text(seed, 0), text(seed, 40))).collect()
}

fn step(trainer: &mut FullTrainer) -> (f32, f32) {
    let (language, pairs) = (language(), pairs());
    let batch = FullBatch {
        language: &language,
        pairs: &pairs,
        temperature: 0.1,
        contrastive_weight: 0.5,
        ..FullBatch::default()
    };
    let report = trainer.step(&batch, &GO_ON).unwrap();
    (report.loss, report.contrastive_loss)
}

fn language_step(trainer: &mut FullTrainer, examples: &[Example]) -> Result<FullReport, Error> {
    trainer.step(&FullBatch { language: examples, ..FullBatch::default() }, &GO_ON)
}

fn contrastive_step(
    trainer: &mut FullTrainer,
    pairs: &[(Vec<u32>, Vec<u32>)],
    temperature: f32,
) -> Result<FullReport, Error> {
    let batch = FullBatch { pairs, temperature, contrastive_weight: 1.0, ..FullBatch::default() };
    trainer.step(&batch, &GO_ON)
}

#[test]
fn both_objectives_fall_together() {
    let mut trainer = trainer(2);
    let first = step(&mut trainer);
    for _ in 1..200 {
        step(&mut trainer);
    }
    let last = trainer.evaluate(&language(), &GO_ON).unwrap();
    assert!(first.0 > 3.5 && last < 0.5, "from {} to {last}", first.0);
    let left = trainer.embed(&pairs().into_iter().map(|pair| pair.0).collect::<Vec<_>>()).unwrap();
    let right = trainer.embed(&pairs().into_iter().map(|pair| pair.1).collect::<Vec<_>>()).unwrap();
    for (index, left) in left.iter().enumerate() {
        let scores: Vec<f32> =
            right.iter().map(|right| left.iter().zip(right).map(|(x, y)| x * y).sum()).collect();
        let best = (0..scores.len()).max_by(|&x, &y| scores[x].total_cmp(&scores[y])).unwrap();
        assert_eq!(best, index, "{scores:?}");
        assert!((left.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn an_example_of_twice_the_weight_counts_as_two() {
    let norm = |examples: &[Example], weights: &[f32]| {
        let options = FullOptions { precision: Precision::F32, ..FullOptions::default() };
        let base = BaseWeights::random(&config(true), 2).unwrap();
        let batch = FullBatch { language: examples, language_weights: weights, ..FullBatch::default() };
        let mut trainer = FullTrainer::try_new(base, options).unwrap();
        trainer.step(&batch, &GO_ON).unwrap().grad_norm
    };
    let (a, b) = (language()[0].clone(), language()[3].clone());
    let (both, twice) = ([a.clone(), b.clone()], [a.clone(), a, b]);
    let weighted = norm(&both, &[3.0, 1.5]);
    let repeated = norm(&twice, &[]);
    assert!((weighted / repeated - 1.0).abs() < 1e-4, "{weighted} {repeated}");
    assert_eq!(norm(&both, &[0.5, 0.5]).to_bits(), norm(&both, &[]).to_bits());
    assert!((norm(&both, &[]) / repeated - 1.0).abs() > 1e-3);
}

#[test]
fn a_saved_run_continues_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut whole = trainer(2);
    let mut first = trainer(1);
    for _ in 0..4 {
        step(&mut whole);
        step(&mut first);
    }
    first.save_state(&path).unwrap();
    let mut second = trainer(2);
    second.restore_state(&path).unwrap();
    assert_eq!(second.completed_steps(), 4);
    for _ in 0..3 {
        assert_eq!(step(&mut whole), step(&mut second));
    }
    let bits = |trainer: &FullTrainer| -> Vec<u32> {
        trainer
            .weights()
            .named_tensors()
            .iter()
            .flat_map(|(_, _, values)| values.iter().map(|v| v.to_bits()))
            .collect()
    };
    assert_eq!(bits(&whole), bits(&second));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let damaged = second.restore_state(&path);
    assert!(matches!(damaged, Err(Error::Learning(LearningError::State(_)))));
}

#[test]
fn the_saved_model_holds_every_tensor_rounded_to_bf16() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut trainer = trainer(1);
    step(&mut trainer);
    trainer.save_safetensors(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + header_len]).unwrap();
    let data = &bytes[8 + header_len..];
    let mut expected = 0;
    for (name, shape, values) in trainer.weights().named_tensors() {
        let end = expected + values.len() * 2;
        let entry = format!(
            "\"{name}\":{{\"dtype\":\"BF16\",\"shape\":{shape:?},\"data_offsets\":[{expected},{end}]}}"
        );
        assert!(header.contains(&entry), "{entry} is not in {header}");
        for (two, value) in data[expected..end].chunks_exact(2).zip(values) {
            let stored = f32::from_bits(u32::from(u16::from_le_bytes([two[0], two[1]])) << 16);
            assert!((stored - value).abs() <= value.abs() / 256.0, "{stored} and {value}");
        }
        expected = end;
    }
    assert_eq!(expected, data.len());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn norms_do_not_decay() {
    let adam = AdamOptions { weight_decay: 1.0, ..AdamOptions::default() };
    let options = FullOptions {
        learning_rate: 1e-3,
        total_steps: 1,
        adam,
        warmup_ratio: 0.0,
        ..FullOptions::default()
    };
    let mut trainer = FullTrainer::try_new(BaseWeights::random(&config(false), 2).unwrap(), options).unwrap();
    let before: Vec<(String, Vec<f32>)> = trainer
        .weights()
        .named_tensors()
        .into_iter()
        .map(|(name, _, values)| (name, values.to_vec()))
        .collect();
    language_step(&mut trainer, &language()).unwrap();
    for ((name, before), (_, shape, after)) in before.iter().zip(trainer.weights().named_tensors()) {
        let most = before
            .iter()
            .zip(after)
            .map(|(x, y)| (x - y).abs() - if shape.len() > 1 { 1e-3 * x.abs() } else { 0.0 });
        assert!(most.fold(0.0, f32::max) < 1.002e-3, "{name}");
    }
}

#[test]
fn a_batch_that_cannot_be_trained_on_is_refused() {
    let mut trainer = trainer(1);
    let refused = |result: Result<_, Error>| {
        let by_argument =
            matches!(result, Err(Error::Argument(_) | Error::Learning(LearningError::Argument(_))));
        assert!(by_argument);
    };
    refused(language_step(&mut trainer, &[]));
    refused(language_step(&mut trainer, &[Example { tokens: vec![80, 1], completion_start: 0 }]));
    refused(language_step(&mut trainer, &[Example { tokens: vec![1; 2000], completion_start: 0 }]));
    for weights in [&[1.0; 9][..], &[0.0; 10], &[f32::NAN; 10]] {
        let batch = FullBatch { language: &language(), language_weights: weights, ..FullBatch::default() };
        refused(trainer.step(&batch, &GO_ON));
    }
    refused(contrastive_step(&mut trainer, &pairs(), 0.0));
    refused(contrastive_step(&mut trainer, &[(vec![], vec![1])], 0.1));
    assert_eq!(trainer.completed_steps(), 0);
}

#[test]
fn muon_moves_the_projections_its_own_way_and_everything_else_as_adamw_does() {
    let ends = [ProjectionRule::AdamW, ProjectionRule::Muon].map(|projections| {
        let options = FullOptions { total_steps: 1, projections, ..FullOptions::default() };
        let base = BaseWeights::random(&config(false), 2).unwrap();
        let mut trainer = FullTrainer::try_new(base, options).unwrap();
        language_step(&mut trainer, &language()).unwrap();
        trainer
    });
    let [adamw, muon] = [0, 1].map(|index: usize| ends[index].weights().named_tensors());
    for ((name, _, adamw), (_, _, muon)) in adamw.iter().zip(&muon) {
        assert_eq!(name.ends_with("_proj.weight"), adamw != muon, "{name}");
    }
}

fn lora_trainer(precision: Precision) -> LoraTrainer {
    let base = Arc::new(BaseWeights::random(&config(true), 11).unwrap());
    let options = TrainOptions {
        learning_rate: 5e-3,
        epochs: 3,
        batch_size: 6,
        seed: 4,
        threads: 2,
        precision,
        ..TrainOptions::default()
    };
    LoraTrainer::try_new(base, LoraConfig::default(), options, language()).unwrap()
}

fn trained(precision: Precision) -> LoraTrainer {
    let mut trainer = lora_trainer(precision);
    while !trainer.is_finished() {
        trainer.step(&GO_ON).unwrap();
    }
    trainer
}

#[test]
fn bf16_products_train_to_about_the_same_loss() {
    let [exact, close] =
        [Precision::F32, BF16].map(|precision| trained(precision).evaluate(&language(), &GO_ON).unwrap());
    assert!((exact - close).abs() < 0.02 * exact, "{exact} and {close}");
}
