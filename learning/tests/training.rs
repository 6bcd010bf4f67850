//! What a run promises: its loss, its weights, its resumption and its refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyprstream_learning::{BaseWeights, Error, Example, LoraConfig, LoraTrainer, TrainOptions};
use hyprstream_models::{Architecture, ContentHash, LoraWeights, ModelConfig, Module, TensorSource};
use hyprstream_models_testing::random;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn config() -> ModelConfig {
    ModelConfig {
        vocab_size: 97,
        hidden_size: 32,
        intermediate_size: 48,
        head_dim: 8,
        eos_token_ids: vec![0],
        ..random::small_config(Architecture::Qwen3)
    }
}

fn base() -> Arc<BaseWeights> {
    Arc::new(BaseWeights::random(&config(), 11).unwrap())
}

/// A model read by name, with matrices large enough that its head can be sure of a token.
struct Loud {
    config: ModelConfig,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Loud {
    fn new() -> Self {
        let base = base();
        let louder = |shape: &[usize], values: &[f32]| -> Vec<f32> {
            values.iter().map(|value| if shape.len() > 1 { value * 15.0 } else { *value }).collect()
        };
        let named = base.named_tensors().into_iter();
        let tensors =
            named.map(|(name, shape, values)| (name, shape.clone(), louder(&shape, values))).collect();
        Self { config: base.config().clone(), tensors }
    }

    fn find(&self, name: &str) -> Option<&(String, Vec<usize>, Vec<f32>)> {
        self.tensors.iter().find(|tensor| tensor.0 == name)
    }
}

impl TensorSource for Loud {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|tensor| tensor.1.as_slice())
    }

    fn read_f32(&self, name: &str) -> hyprstream_models::Result<Vec<f32>> {
        let missing = || hyprstream_models::Error::Argument(format!("no tensor {name}"));
        self.find(name).map(|tensor| tensor.2.clone()).ok_or_else(missing)
    }
}

/// Questions of different lengths, each with an answer of its own.
fn examples(count: u32) -> Vec<Example> {
    let example = |index: u32| {
        let prompt = (0..3 + index % 9).map(|position| (index * 7 + position * position * 5) % 60);
        let answer = (0..2 + index % 4).map(|position| 60 + (index * 11 + position * 3) % 37);
        let tokens: Vec<u32> = prompt.chain(answer).collect();
        Example { completion_start: 3 + (index % 9) as usize, tokens }
    };
    (0..count).map(example).collect()
}

fn options() -> TrainOptions {
    TrainOptions {
        learning_rate: 5e-3,
        epochs: 3,
        batch_size: 6,
        seed: 4,
        threads: 2,
        ..TrainOptions::default()
    }
}

fn trainer(config: LoraConfig, options: TrainOptions) -> LoraTrainer {
    LoraTrainer::try_new(base(), config, options, examples(20)).unwrap()
}

fn finish(mut trainer: LoraTrainer) -> LoraWeights {
    while !trainer.is_finished() {
        trainer.step(&GO_ON).unwrap();
    }
    weights(&trainer)
}

fn weights(trainer: &LoraTrainer) -> LoraWeights {
    trainer.weights(ContentHash::of(b"base"))
}

#[test]
fn a_fresh_adapter_has_exactly_the_loss_of_the_base() {
    let fresh = trainer(LoraConfig::default(), options());
    let other = trainer(
        LoraConfig { rank: 2, target_modules: vec![Module::OProj], ..LoraConfig::default() },
        options(),
    );
    let loss = fresh.evaluate(&examples(20), &GO_ON).unwrap();
    assert_eq!(loss.to_bits(), other.evaluate(&examples(20), &GO_ON).unwrap().to_bits());
    assert!((loss - 97f32.ln()).abs() < 0.3, "an untrained model guesses, {loss}");
    assert!(weights(&fresh).layers.iter().all(|pair| pair.b.iter().all(|b| *b == 0.0)));
}

#[test]
fn the_same_seed_gives_the_same_weights_at_any_number_of_threads() {
    let config = LoraConfig { dropout: 0.1, ..LoraConfig::default() };
    let two = finish(trainer(config.clone(), options()));
    let again = finish(trainer(config.clone(), options()));
    let one = finish(trainer(config.clone(), TrainOptions { threads: 1, ..options() }));
    let five = finish(trainer(config.clone(), TrainOptions { threads: 5, ..options() }));
    let other = finish(trainer(config, TrainOptions { seed: 5, ..options() }));
    assert_eq!(two, again);
    assert_eq!(two, one);
    assert_eq!(two, five);
    assert_ne!(two, other);
}

#[test]
fn a_run_learns_its_examples_by_heart() {
    let options = TrainOptions { epochs: 80, learning_rate: 1e-2, ..options() };
    let base = BaseWeights::from_tensors(&Loud::new()).unwrap();
    let config = LoraConfig { rank: 16, alpha: 32.0, ..LoraConfig::default() };
    let mut trainer = LoraTrainer::try_new(base, config, options, examples(20)).unwrap();
    let before = trainer.evaluate(&examples(20), &GO_ON).unwrap();
    while !trainer.is_finished() {
        trainer.step(&GO_ON).unwrap();
    }
    let after = trainer.evaluate(&examples(20), &GO_ON).unwrap();
    assert!(before > 4.0 && after < 0.1, "from {before} to {after}");
}

#[test]
fn a_step_reports_the_loss_that_an_evaluation_finds() {
    let mut trainer = trainer(LoraConfig::default(), TrainOptions { batch_size: 20, ..options() });
    let loss = trainer.evaluate(&examples(20), &GO_ON).unwrap();
    let report = trainer.step(&GO_ON).unwrap();
    assert!((report.loss - loss).abs() < 1e-5 * loss, "{} and {loss}", report.loss);
    assert_eq!(report.target_tokens, examples(20).iter().map(Example::target_tokens).sum::<usize>());
    assert_eq!((report.step, trainer.total_steps()), (1, 3));
}

#[test]
fn packed_sequences_have_the_loss_of_each_alone() {
    let trainer = trainer(LoraConfig::default(), options());
    let mut examples = examples(20);
    examples.reverse();
    let targets: usize = examples.iter().map(Example::target_tokens).sum();
    let alone: f64 = examples
        .iter()
        .map(|example| {
            let loss = trainer.evaluate(std::slice::from_ref(example), &GO_ON).unwrap();
            f64::from(loss) * example.target_tokens() as f64
        })
        .sum();
    let together = trainer.evaluate(&examples, &GO_ON).unwrap();
    assert!(
        (alone / targets as f64 - f64::from(together)).abs() < 1e-5,
        "{} and {together}",
        alone / targets as f64
    );
}

#[test]
fn the_prompt_does_not_count_and_the_future_is_not_seen() {
    let trainer = trainer(LoraConfig::default(), options());
    let loss = |tokens: &[u32], completion_start: usize| {
        trainer.evaluate(&[Example { tokens: tokens.to_vec(), completion_start }], &GO_ON).unwrap()
    };
    let first = loss(&[5, 6, 7], 2);
    let parts = f64::from(loss(&[5, 6], 1)) + f64::from(first);
    assert!((parts / 2.0 - f64::from(loss(&[5, 6, 7], 1))).abs() < 1e-5);
}

#[test]
fn a_run_that_was_stopped_and_restored_ends_in_the_same_weights() {
    let config = LoraConfig { dropout: 0.2, ..LoraConfig::default() };
    let whole = finish(trainer(config.clone(), options()));
    let mut first = trainer(config.clone(), options());
    for _ in 0..5 {
        first.step(&GO_ON).unwrap();
    }
    let state = first.state();
    let mut second = trainer(config.clone(), TrainOptions { threads: 1, ..options() });
    second.restore(&state).unwrap();
    assert_eq!(second.completed_steps(), 5);
    assert_eq!(finish(second), whole);

    let mut elsewhere = trainer(config.clone(), TrainOptions { learning_rate: 1e-4, ..options() });
    assert!(matches!(elsewhere.restore(&state), Err(Error::State(_))));
    for damage in [0, 40, state.len() / 2, state.len() - 1] {
        let mut damaged = state.clone();
        damaged[damage] ^= 1;
        assert!(
            matches!(trainer(config.clone(), options()).restore(&damaged), Err(Error::State(_))),
            "byte {damage}"
        );
    }
    for len in [0, 7, 31, 100, state.len() - 1] {
        assert!(
            matches!(trainer(config.clone(), options()).restore(&state[..len]), Err(Error::State(_))),
            "{len}"
        );
    }
}

#[test]
fn cancelling_leaves_the_weights_as_they_were() {
    let mut trainer = trainer(LoraConfig::default(), options());
    trainer.step(&GO_ON).unwrap();
    let before = weights(&trainer);
    let cancel = AtomicBool::new(true);
    assert!(matches!(trainer.step(&cancel), Err(Error::Cancelled)));
    assert_eq!((weights(&trainer), trainer.completed_steps()), (before, 1));
    cancel.store(false, Ordering::Relaxed);
    assert_eq!(trainer.step(&cancel).unwrap().step, 2);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_before_it_reaches_the_weights() {
    let mut trainer = trainer(LoraConfig::default(), options());
    let mut state = trainer.state();
    // Behind the header, the first weight.
    state[64..68].copy_from_slice(&f32::NAN.to_le_bytes());
    let end = state.len() - 32;
    let hash = ContentHash::of(&state[..end]);
    state[end..].copy_from_slice(hash.as_bytes());
    trainer.restore(&state).unwrap();
    let error = trainer.step(&GO_ON).unwrap_err();
    assert!(matches!(error, Error::NonFinite { step: 1, .. }), "{error}");
    assert!(error.to_string().contains("learning rate"), "{error}");
    assert_eq!(trainer.completed_steps(), 0);
}

#[test]
fn long_and_empty_rows_are_skipped_and_counted() {
    let mut rows = examples(6);
    rows.push(Example { tokens: vec![1; 65], completion_start: 1 });
    rows.push(Example { tokens: vec![1, 2], completion_start: 2 });
    rows.push(Example::default());
    let options = TrainOptions { max_seq_len: 64, ..options() };
    let trainer = LoraTrainer::try_new(base(), LoraConfig::default(), options.clone(), rows).unwrap();
    assert_eq!((trainer.skipped(), trainer.total_steps()), (3, 3));
    let Err(error) = LoraTrainer::try_new(base(), LoraConfig::default(), options, vec![Example::default()])
    else {
        panic!("a run without examples began");
    };
    assert!(error.to_string().contains("max_seq_len (64)"), "{error}");
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let refused = |config: LoraConfig, options: TrainOptions, rows: Vec<Example>, part: &str| {
        match LoraTrainer::try_new(base(), config, options, rows) {
            Err(Error::Argument(reason)) => assert!(reason.contains(part), "{reason}"),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{part} was accepted"),
        }
    };
    let lora = LoraConfig::default;
    refused(LoraConfig { rank: 17, ..lora() }, options(), examples(2), "between 1 and 16");
    refused(LoraConfig { rank: 0, ..lora() }, options(), examples(2), "r is 0");
    refused(LoraConfig { target_modules: vec![], ..lora() }, options(), examples(2), "target_modules");
    refused(LoraConfig { dropout: 1.0, ..lora() }, options(), examples(2), "lora_dropout");
    refused(lora(), TrainOptions { learning_rate: f32::NAN, ..options() }, examples(2), "learning_rate");
    refused(lora(), TrainOptions { batch_size: 0, ..options() }, examples(2), "batch_size");
    refused(lora(), TrainOptions { epochs: 0, ..options() }, examples(2), "epochs");
    let foreign = vec![Example { tokens: vec![1, 97, 2], completion_start: 1 }];
    refused(lora(), options(), foreign, "token 97");
}
