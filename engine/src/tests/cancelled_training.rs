//! Training runs that are cancelled, or whose caller goes away.

use futures::StreamExt;

use super::training::request;
use super::{Bench, eventually, statistic};
use crate::{RunStatus, TrainingEvent, TrainingRun};

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
async fn steps_of(bench: &Bench, run_id: u64) -> f64 {
    let row = || bench.engine.training_runs().unwrap().into_iter().find(|row| row.run_id == run_id);
    eventually("the run ends", || row().unwrap().status == RunStatus::Cancelled).await;
    let steps = row().unwrap().steps;
    let recorded = bench.engine.training_steps(Some(run_id)).unwrap();
    assert_eq!(recorded.len() as u64, steps);
    steps as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_makes_no_step_but_the_one_under_way() {
    let bench = Bench::new();
    let run = at_its_third_step(&bench).await;
    bench.engine.cancel_training(run.run_id()).unwrap();
    let at_cancel = statistic(&bench.engine, "training_steps");
    let steps = steps_of(&bench, run.run_id()).await;
    assert!((3.0..=at_cancel + 1.0).contains(&steps), "{at_cancel}, then {steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_listens_to_makes_no_step_but_the_one_under_way() {
    let bench = Bench::new();
    let run = at_its_third_step(&bench).await;
    let run_id = run.run_id();
    drop(run);
    let at_drop = statistic(&bench.engine, "training_steps");
    let steps = steps_of(&bench, run_id).await;
    assert!((3.0..=at_drop + 1.0).contains(&steps), "{at_drop}, then {steps}");
}
