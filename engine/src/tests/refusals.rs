//! What is refused, and with which words; settings, definitions and tokens by the way.

use super::{Bench, ask, options};
use crate::{Engine, EngineOptions, Error, GenerateRequest, SamplingOptions};

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_refused_by_name_value_and_limit() {
    let bench = Bench::new();
    let sampling = |change: fn(&mut SamplingOptions)| {
        let mut request = ask("hi", 4);
        change(&mut request.sampling);
        request
    };
    let cases: [(GenerateRequest, &str); 9] = [
        (ask("", 4), "invalid prompt \"\""),
        (ask("hi", 0), "invalid max_tokens 0: it must be between 1 and 1000000"),
        (ask("hi", u32::MAX), "invalid max_tokens 4294967295"),
        (sampling(|sampling| sampling.temperature = -1.0), "invalid temperature -1"),
        (sampling(|sampling| sampling.temperature = f32::NAN), "invalid temperature NaN"),
        (sampling(|sampling| sampling.top_p = 0.0), "invalid top_p 0"),
        (sampling(|sampling| sampling.min_p = 1.5), "invalid min_p 1.5"),
        (GenerateRequest { stop: vec![String::new()], ..ask("hi", 4) }, "invalid stop"),
        (GenerateRequest { conversation: Some(String::new()), ..ask("hi", 4) }, "invalid session \"\""),
    ];
    for (request, expected) in cases {
        let error = bench.engine.complete(request).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(bench.engine.complete(ask("hi", 4)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_named_with_the_nearest_one() {
    let bench = Bench::new();
    let request = GenerateRequest { model: Some("bundeld".to_owned()), ..ask("hi", 4) };
    let error = bench.engine.complete(request).await.unwrap_err();
    assert_eq!(error.to_string(), "model \"bundeld\" does not exist; did you mean \"bundled\"?");
    assert!(bench.engine.set_setting("hyprstream.default_model", "bundeld").is_err());
    let error = bench.engine.setting("hyprstream.default_modell").unwrap_err().to_string();
    assert!(error.ends_with("did you mean \"hyprstream.default_model\"?"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_read_does_not_stop_the_others() {
    let bench = Bench::new();
    let broken = bench.directory.path().join("models/broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("config.json"), "{").unwrap();
    let request = GenerateRequest { model: Some("broken".to_owned()), ..ask("hi", 4) };
    let error = bench.engine.complete(request).await.unwrap_err();
    assert!(matches!(&error, Error::InvalidModel { file, .. } if file.ends_with("config.json")), "{error}");
    assert!(bench.engine.complete(ask("hi", 4)).await.is_ok());
    let rows = bench.engine.models().unwrap();
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["broken", "bundled"]);
    assert!(rows[0].error.is_some() && !rows[0].loaded);
    assert!(rows[1].error.is_none() && rows[1].loaded && rows[1].is_default);
    assert_eq!((rows[1].architecture.as_str(), rows[1].weights.as_deref()), ("qwen3", Some("f32")));
}

#[test]
fn a_directory_that_is_held_is_refused_with_the_holders_address() {
    let bench = Bench::new();
    bench.engine.announce("127.0.0.1:5433").unwrap();
    let error = Engine::open(EngineOptions::new(bench.directory.path())).unwrap_err();
    let Error::Locked { holder, address, .. } = &error else { panic!("{error}") };
    assert_eq!(address.as_deref(), Some("127.0.0.1:5433"));
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    let Bench { engine, directory } = bench;
    drop(engine);
    Engine::open(options(&directory)).unwrap();
}

#[test]
fn text_and_tokens_turn_into_each_other() {
    let bench = Bench::new();
    let ids = bench.engine.tokenize("Grüße, world!", None).unwrap();
    assert_eq!(bench.engine.detokenize(&ids, None).unwrap(), "Grüße, world!");
    assert_eq!(bench.engine.count_tokens("Grüße, world!", None).unwrap(), ids.len());
    let error = bench.engine.detokenize(&[u32::MAX], None).unwrap_err();
    assert!(matches!(error, Error::Argument { name: "token", .. }), "{error}");
}
