//! Training runs from their pairs to the version that answers, or to their cancellation.

use std::time::Duration;

use futures::StreamExt;

use super::{Bench, ask, eventually, options, statistic};
use crate::{
    CallContext, Engine, Error, GenerateRequest, RestoreSource, RunStatus, ScoreRequest, TrainRequest,
    TrainingEvent, TrainingRun,
};

fn pairs() -> Vec<(String, String)> {
    [
        ("blick", "a kind of blue"),
        ("dorn", "a kind of red"),
        ("mave", "a kind of green"),
        ("quill", "a kind of grey"),
    ]
    .iter()
    .map(|(word, meaning)| (format!("What is {word}?"), (*meaning).to_owned()))
    .collect()
}

fn request(name: &str, epochs: u32) -> TrainRequest {
    TrainRequest {
        name: name.to_owned(),
        pairs: pairs(),
        validation: pairs()[..2].to_vec(),
        skipped: 3,
        data_query: "SELECT prompt, completion FROM words".to_owned(),
        epochs: Some(epochs),
        batch_size: Some(2),
        learning_rate: Some(5e-3),
        ..TrainRequest::default()
    }
}

async fn train(engine: &Engine, request: TrainRequest) -> Vec<TrainingEvent> {
    let run = engine.train(request).await.unwrap();
    run.map(Result::unwrap).collect().await
}

async fn score(engine: &Engine, prompt: &str, completion: &str, adapter: Option<&str>) -> f64 {
    let request = ScoreRequest {
        prompt: prompt.to_owned(),
        completion: completion.to_owned(),
        model: None,
        adapter: adapter.map(str::to_owned),
        raw: false,
        call: CallContext::local(),
    };
    let score = engine.score(request).await.unwrap();
    score.logprob / score.tokens as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trained_adapter_answers_with_what_it_was_taught() {
    let bench = Bench::new();
    let events = train(&bench.engine, request("words", 100)).await;
    assert!(matches!(
        events[0],
        TrainingEvent::Started { run_id: 1, total_steps: 200, examples: 4, skipped: 3 }
    ));
    let steps: Vec<_> = events
        .iter()
        .filter_map(|event| if let TrainingEvent::Step(row) = event { Some(row) } else { None })
        .collect();
    assert_eq!(steps.len(), 200);
    assert!(steps[199].loss < 0.1 && steps[0].loss > 1.0, "{} to {}", steps[0].loss, steps[199].loss);
    assert_eq!(steps.iter().filter(|step| step.val_loss.is_some()).count(), 100);
    assert!(steps.iter().enumerate().all(|(index, step)| step.step == index as u64 + 1));
    assert_eq!(events.last(), Some(&TrainingEvent::Published { name: "words".to_owned(), version: 1 }));

    for (prompt, completion) in pairs() {
        let answer = GenerateRequest { adapter: Some("words".to_owned()), ..ask(&prompt, 24) };
        assert_eq!(bench.engine.complete(answer).await.unwrap().text, completion);
    }
    let adapter = bench.engine.adapter("words").unwrap();
    assert_eq!(adapter.data_query.as_deref(), Some("SELECT prompt, completion FROM words"));
    assert_eq!((adapter.run_id, adapter.base_model.as_str()), (Some(1), "bundled"));
    assert_eq!(adapter.base_hash, bench.engine.models().unwrap()[0].hash);
    let run = bench.engine.training_runs().unwrap().remove(0);
    assert_eq!((run.status, run.version, run.steps, run.skipped), (RunStatus::Completed, Some(1), 200, 3));
    assert_eq!(run.val_loss, steps[199].val_loss);
    let bench = bench.reopen();
    assert_eq!(bench.engine.training_steps(Some(1)).unwrap().len(), 200);
    assert_eq!(bench.engine.training_steps(Some(2)).unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_in_training_is_what_the_answering_model_scores() {
    let bench = Bench::new();
    // A rate of zero leaves the base, so the step's loss is the base's.
    let still = TrainRequest { learning_rate: Some(0.0), batch_size: Some(4), ..request("still", 1) };
    let events = train(&bench.engine, still).await;
    let Some(TrainingEvent::Step(step)) = events.get(1) else { panic!("{events:?}") };
    let (mut sum, mut tokens) = (0.0, 0.0);
    for (prompt, completion) in pairs() {
        let count = bench.engine.count_tokens(&completion, None).unwrap() as f64 + 1.0;
        sum -= score(&bench.engine, &prompt, &completion, None).await * count;
        tokens += count;
    }
    assert!((sum / tokens - f64::from(step.loss)).abs() < 1e-3, "base: {} and {}", sum / tokens, step.loss);

    // The loss on one validation pair after the last step is that of the published version.
    let one = TrainRequest { validation: pairs()[..1].to_vec(), ..request("taught", 4) };
    train(&bench.engine, one).await;
    let trained = bench.engine.adapter("taught").unwrap();
    let (prompt, completion) = &pairs()[0];
    let scored = -score(&bench.engine, prompt, completion, Some("taught")).await;
    let loss = f64::from(trained.val_loss.unwrap());
    assert!((scored - loss).abs() < 1e-3, "trained: {scored} and {loss}");
    let base = -score(&bench.engine, prompt, completion, None).await;
    assert!(scored < base - 0.1, "{scored} and {base}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_with_the_same_seed_gives_the_same_weights() {
    let bench = Bench::new();
    train(&bench.engine, request("a", 2)).await;
    train(&bench.engine, request("b", 2)).await;
    train(&bench.engine, TrainRequest { seed: Some(1), ..request("c", 2) }).await;
    let hash = |name| bench.engine.adapter(name).unwrap().hash;
    assert_eq!(hash("a"), hash("b"));
    assert_ne!(hash("a"), hash("c"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_run_cancels_it_and_publishes_nothing() {
    let bench = Bench::new();
    let mut run = bench.engine.train(request("gone", 100_000)).await.unwrap();
    while !matches!(run.next().await.unwrap().unwrap(), TrainingEvent::Step(_)) {}
    drop(run);
    eventually("the run is cancelled", || {
        bench.engine.training_runs().unwrap()[0].status == RunStatus::Cancelled
    })
    .await;
    assert!(bench.engine.adapters().unwrap().is_empty());

    let mut run = bench.engine.train(request("gone", 100_000)).await.unwrap();
    assert!(matches!(bench.engine.train(request("gone", 1)).await, Err(Error::InUse { .. })));
    while !matches!(run.next().await.unwrap().unwrap(), TrainingEvent::Step(_)) {}
    bench.engine.cancel_training(run.run_id()).unwrap();
    let ending = tokio::time::timeout(Duration::from_secs(30), async {
        run.by_ref().filter_map(|event| std::future::ready(event.err())).next().await
    });
    assert!(matches!(ending.await.unwrap(), Some(Error::Cancelled)));
    let error = bench.engine.cancel_training(2).unwrap_err().to_string();
    assert_eq!(error, "invalid run_id 2: it is cancelled already");
    assert!(matches!(
        bench.engine.cancel_training(9),
        Err(Error::UnknownObject { kind: "training run", .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_running_run_can_be_restored_as_a_version() {
    let bench = Bench::new();
    let mut run = bench.engine.train(request("words", 100_000)).await.unwrap();
    while !matches!(run.next().await.unwrap().unwrap(), TrainingEvent::Step(_)) {}
    let checkpoint = bench.engine.checkpoint_adapter("words").await.unwrap();
    assert!(checkpoint.has_optimizer && checkpoint.step > 0 && checkpoint.run_id == Some(1));
    drop(run);
    eventually("the run ends", || bench.engine.training.run_of("words").is_none()).await;
    let restored = bench.engine.restore_adapter("words", &RestoreSource::Checkpoint(checkpoint.id)).unwrap();
    assert_eq!((restored.version, restored.run_id), (1, Some(1)));
    assert_eq!(restored.parent, Some(format!("checkpoint {}", checkpoint.id)));
    let answer = GenerateRequest { adapter: Some("words@1".to_owned()), ..ask("What is dorn?", 4) };
    bench.engine.complete(answer).await.unwrap();
    let of_version = bench.engine.checkpoint_adapter("words").await.unwrap();
    assert!(!of_version.has_optimizer);
    let bench = bench.reopen();
    let ids: Vec<_> = bench.engine.checkpoints().unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [checkpoint.id, of_version.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_process_did_not_survive_is_interrupted() {
    let bench = Bench::new();
    let mut run = bench.engine.train(request("words", 100_000)).await.unwrap();
    while !matches!(run.next().await.unwrap().unwrap(), TrainingEvent::Step(_)) {}
    // What a killed process leaves behind is what lies on the disk while it runs.
    let copy = tempfile::tempdir().unwrap();
    let from = bench.directory.path().join(".");
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    let engine = Engine::open(options(&copy)).unwrap();
    let run = engine.training_runs().unwrap().remove(0);
    assert_eq!((run.status, run.version), (RunStatus::Interrupted, None));
    assert!(engine.adapters().unwrap().is_empty());
    train(&engine, request("words", 1)).await;
    assert_eq!(engine.training_runs().unwrap()[1].status, RunStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_cannot_be_trained_on_is_refused_before_a_run_is_recorded() {
    let bench = Bench::new();
    let long = ("word ".repeat(5000), "x".to_owned());
    let cases: [(TrainRequest, &str); 8] = [
        (TrainRequest { pairs: vec![], ..request("a", 1) }, "all of its 3 rows have NULL"),
        (TrainRequest { pairs: vec![], skipped: 0, ..request("a", 1) }, "it returned no rows"),
        (TrainRequest { pairs: vec![pairs()[0].clone(), long], ..request("a", 1) }, "row 2: it has "),
        (
            TrainRequest { pairs: vec![(String::new(), "x".to_owned())], ..request("a", 1) },
            "row 1: its prompt is empty",
        ),
        (
            TrainRequest { target_modules: Some(vec!["q_pro".to_owned()]), ..request("a", 1) },
            "invalid target_modules",
        ),
        (
            TrainRequest { lr_scheduler_type: Some("step".to_owned()), ..request("a", 1) },
            "linear, cosine or constant",
        ),
        (
            TrainRequest { sparsity: Some(1.0), ..request("a", 1) },
            "invalid sparsity 1: it is at least 0 and below 1",
        ),
        (TrainRequest { name: "a@1".to_owned(), ..request("a", 1) }, "invalid name \"a@1\""),
    ];
    for (request, expected) in cases {
        let error = bench.engine.train(request).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(bench.engine.training_runs().unwrap().is_empty());
    assert_eq!(statistic(&bench.engine, "training_runs"), 0);
}

async fn at_its_third_step(bench: &Bench) -> TrainingRun {
    let mut run = bench.engine.train(request("gone", 100_000)).await.unwrap();
    loop {
        match run.next().await.unwrap().unwrap() {
            TrainingEvent::Step(row) if row.step == 3 => return run,
            _ => {}
        }
    }
}

/// Steps made in the end, all of them recorded.
async fn steps_of(bench: &Bench, run_id: u64) -> u64 {
    let row = || bench.engine.training_runs().unwrap().into_iter().find(|row| row.run_id == run_id);
    eventually("the run ends", || row().unwrap().status == RunStatus::Cancelled).await;
    let steps = row().unwrap().steps;
    let recorded = bench.engine.training_steps(Some(run_id)).unwrap();
    assert_eq!(recorded.len() as u64, steps);
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_makes_no_step_but_the_one_under_way() {
    let bench = Bench::new();
    let run = at_its_third_step(&bench).await;
    bench.engine.cancel_training(run.run_id()).unwrap();
    let at_cancel = statistic(&bench.engine, "training_steps");
    let steps = steps_of(&bench, run.run_id()).await;
    assert!((3..=at_cancel + 1).contains(&steps), "{at_cancel}, then {steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_listens_to_makes_no_step_but_the_one_under_way() {
    let bench = Bench::new();
    let run = at_its_third_step(&bench).await;
    let run_id = run.run_id();
    drop(run);
    let at_drop = statistic(&bench.engine, "training_steps");
    let steps = steps_of(&bench, run_id).await;
    assert!((3..=at_drop + 1).contains(&steps), "{at_drop}, then {steps}");
}
