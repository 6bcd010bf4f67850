//! Settings, conversations and steps: what survives, and what one damaged record costs.

use std::fs;

use futures::StreamExt;

use super::{Bench, ask, conversation, options, put};
use crate::{Engine, GenerateRequest, TrainRequest};

fn in_session(name: &str) -> GenerateRequest {
    GenerateRequest { conversation: Some(name.to_owned()), ..ask("hello", 2) }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_turns_and_steps_survive_the_end_of_the_process() {
    let bench = Bench::new();
    bench.engine.set_setting("hyprstream.trajectory_days", "6").unwrap();
    bench.engine.set_setting("hyprstream.embed_trajectories", "off").unwrap();
    bench.engine.complete(in_session("talk")).await.unwrap();
    let pairs = vec![("a b".to_owned(), "c".to_owned()); 4];
    let request =
        TrainRequest { name: "words".to_owned(), pairs, epochs: Some(1), ..TrainRequest::default() };
    let mut run = bench.engine.train(request).await.unwrap();
    while let Some(event) = run.next().await {
        event.unwrap();
    }
    let steps = bench.engine.training_steps(None).unwrap();
    let next = bench.engine.recorder.allocate_id();
    // What a killed process leaves behind is what lies on the disk while it runs; nothing is written after a moment.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let copy = tempfile::tempdir().unwrap();
    let from = bench.directory.path().join(".");
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    let engine = Engine::open(options(&copy)).unwrap();
    assert_eq!(engine.setting("hyprstream.trajectory_days").unwrap(), "6");
    assert_eq!(engine.conversations().unwrap()[0].turns, 1);
    assert!(!steps.is_empty());
    assert_eq!(engine.training_steps(None).unwrap(), steps);
    assert!(engine.recorder.allocate_id() > next);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_damaged_conversation_is_named_and_costs_no_other() {
    let Bench { engine, directory } = Bench::new();
    for (name, letter) in [("first", "x"), ("second", "y"), ("third", "z")] {
        // So long that it lies in the file by itself.
        put(&engine, &format!("session/{name}"), &conversation(&letter.repeat(2000)));
    }
    engine.close().unwrap();
    drop(engine);
    let grid = directory.path().join("grid/grid.data");
    let mut bytes = fs::read(&grid).unwrap();
    let at = bytes.windows(2000).position(|window| window == [b'y'; 2000]).unwrap();
    bytes[at + 1000] ^= 1;
    fs::write(&grid, bytes).unwrap();
    let engine = Engine::open(options(&directory)).unwrap();
    let rows = engine.conversations().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["first", "third"]);
    let error = engine.complete(in_session("second")).await.unwrap_err();
    assert!(matches!(error, crate::Error::Corrupt(_)), "{error}");
    let damages = engine.verify_store().await.unwrap().damages;
    assert_eq!(damages.len(), 1);
    assert!(damages[0].what.contains("session/second"), "{}", damages[0].what);
}
