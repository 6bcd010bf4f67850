//! Vectors of texts.

use super::{Bench, statistic};
use crate::{CallContext, EmbedRequest, Error};

fn request(texts: &[String], dimensions: Option<usize>) -> EmbedRequest {
    EmbedRequest { texts: texts.to_vec(), model: None, dimensions, call: CallContext::local() }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_texts_has_the_vectors_that_each_has_alone() {
    let bench = Bench::new();
    let texts: Vec<String> =
        (0..150).map(|row| format!("text number {row} {}", "about things ".repeat(row % 9))).collect();
    let together = bench.engine.embed(request(&texts, None)).await.unwrap();
    assert_eq!(together.len(), 150);
    assert_eq!(statistic(&bench.engine, "embedded_texts"), 150);
    let length = bench.engine.embedding_length(None).unwrap();
    for index in [0, 8, 77, 149] {
        let alone = bench.engine.embed(request(&texts[index..=index], None)).await.unwrap();
        assert_eq!(alone[0].values.len(), length);
        assert_eq!(alone[0].tokens, together[index].tokens);
        assert!((dot(&alone[0].values, &alone[0].values) - 1.0).abs() < 1e-5);
        assert!(dot(&alone[0].values, &together[index].values) > 0.99999, "text {index}");
    }
    assert!(dot(&together[0].values, &together[8].values) < 0.9999);
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_dimensions_are_the_leading_ones_normalised_again() {
    let bench = Bench::new();
    let texts = ["a text".to_owned()];
    let whole = bench.engine.embed(request(&texts, None)).await.unwrap().remove(0).values;
    let short = bench.engine.embed(request(&texts, Some(16))).await.unwrap().remove(0).values;
    assert_eq!(short.len(), 16);
    let norm = dot(&whole[..16], &whole[..16]).sqrt();
    assert!(short.iter().zip(&whole).all(|(short, whole)| (short - whole / norm).abs() < 1e-6));
    for dimensions in [0, 10_000] {
        let error = bench.engine.embed(request(&texts, Some(dimensions))).await.unwrap_err();
        assert!(matches!(error, Error::Argument { name: "dimensions", .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_text_is_refused_and_none_is_no_work() {
    let bench = Bench::new();
    assert!(bench.engine.embed(request(&[], None)).await.unwrap().is_empty());
    let error = bench.engine.embed(request(&[String::new()], None)).await.unwrap_err();
    assert!(matches!(error, Error::Argument { name: "text", .. }), "{error}");
}
