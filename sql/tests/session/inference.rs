//! Where and how often the model is asked, and what comes back.

use futures::StreamExt;
use hyprstream_sql::Outcome;

use super::support::Fixture;

async fn questions() -> Fixture {
    let f = Fixture::new();
    f.rows(
        "SET hyprstream.max_tokens = 4; \
         CREATE TABLE q (id INT, body TEXT); \
         INSERT INTO q VALUES (1, 'What is the capital of France?'), (2, 'What is 2 + 3?'), \
         (3, 'What is the capital of France?'), (4, NULL), (5, 'Say hello.')",
    )
    .await;
    f
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_gives_the_same_answer_wherever_it_stands() {
    let f = questions().await;
    let plain = f.rows("SELECT id, generate(body) AS g FROM q ORDER BY id").await;
    assert_eq!(plain.len(), 5);
    assert_eq!(plain[3][1], "NULL");
    assert_eq!(plain[0][1], plain[2][1]);
    assert_ne!(plain[0][1], plain[4][1]);
    let answer = plain[0][1].replace('\'', "''");
    for (text, expected) in [
        (format!("SELECT id FROM q WHERE generate(body) = '{answer}' ORDER BY id"), vec!["1", "3"]),
        (format!("SELECT id FROM q WHERE id > 1 AND generate(body) = '{answer}'"), vec!["3"]),
        ("SELECT count(*) FROM q GROUP BY generate(body) HAVING count(*) > 1".to_owned(), vec!["2"]),
        ("SELECT count(DISTINCT generate(body)) FROM q WHERE id < 4".to_owned(), vec!["2"]),
        (
            format!(
                "SELECT a.id FROM q a JOIN q b ON generate(a.body) = generate(b.body) AND a.id < b.id WHERE a.body LIKE '%France%' AND generate(a.body) = '{answer}'"
            ),
            vec!["1"],
        ),
        (
            format!(
                "SELECT id FROM q WHERE body IN (SELECT body FROM q WHERE generate(body) = '{answer}') ORDER BY id"
            ),
            vec!["1", "3"],
        ),
        (
            format!(
                "SELECT count(*) FROM (VALUES (generate('What is the capital of France?')), ('x')) v(a) WHERE a = '{answer}'"
            ),
            vec!["1"],
        ),
    ] {
        let rows = f.rows(&text).await;
        assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), expected, "{text}");
    }
    let ordered = f.rows("SELECT id FROM q WHERE body IS NOT NULL ORDER BY generate(body), id").await;
    let mut expected: Vec<(String, String)> =
        plain.iter().filter(|row| row[1] != "NULL").map(|row| (row[1].clone(), row[0].clone())).collect();
    expected.sort();
    assert_eq!(
        ordered.iter().map(|r| r[0].clone()).collect::<Vec<_>>(),
        expected.iter().map(|e| e.1.clone()).collect::<Vec<_>>()
    );
    f.rows("CREATE TABLE a AS SELECT id, generate(body) AS g FROM q; INSERT INTO a SELECT id + 100, generate(body) FROM q").await;
    assert_eq!(f.value("SELECT count(*) FROM a x JOIN a y ON x.id + 100 = y.id AND x.g = y.g").await, "4");
    f.rows("UPDATE a SET g = generate('Say hello.') WHERE id = 1").await;
    assert_eq!(f.value("SELECT g FROM a WHERE id = 1").await, plain[4][1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_needed_is_asked() {
    let f = questions().await;
    for (text, calls) in [
        ("SELECT generate(body) FROM q LIMIT 1", 1),
        ("SELECT generate(body) FROM q WHERE id <> 4 ORDER BY id DESC LIMIT 2", 2),
        ("SELECT generate(body) FROM q WHERE id <> 4 ORDER BY id OFFSET 1 LIMIT 1", 1),
        ("SELECT generate(body) FROM q WHERE body IS NOT NULL", 3),
        ("SELECT id FROM q WHERE generate(body) <> '' AND id = 2", 1),
        ("SELECT CASE WHEN id = 2 THEN generate(body) ELSE 'no' END FROM q", 1),
        (
            "SELECT CASE id WHEN 1 THEN generate(body) WHEN 2 THEN 'two' ELSE generate('Say hello.') END FROM q WHERE id < 4",
            2,
        ),
        ("SELECT coalesce(body, generate('Say hello.')) FROM q", 1),
        ("SELECT id = 2 AND generate(body) = 'x' FROM q", 1),
        ("SELECT id <> 2 OR generate(body) = 'x' FROM q", 1),
        ("SELECT generate(body), generate(body) || '!' FROM q WHERE id = 1", 1),
        ("SELECT generate(body, temperature => 1) FROM q WHERE id IN (1, 3)", 2),
        ("SELECT generate(body, temperature => 1, seed => 7) FROM q WHERE id IN (1, 3)", 1),
        ("SELECT id FROM q WHERE id <> 4 AND generate(body) IS NOT NULL LIMIT 1", 1),
    ] {
        assert_eq!(f.calls(text).await, calls, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_nest() {
    let f = questions().await;
    let inner = f.value("SELECT generate('Say hello.')").await.replace('\'', "''");
    let outer = f.value(&format!("SELECT generate('Repeat: {inner}')")).await;
    assert_eq!(f.value("SELECT generate('Repeat: ' || generate('Say hello.'))").await, outer);
    let scalar = f.value("SELECT generate((SELECT max(body) FROM q WHERE id = 5))").await;
    assert_eq!(scalar, f.value("SELECT generate('Say hello.')").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_as_rows_one_at_a_time_and_make_the_whole_answer() {
    let f = questions().await;
    let whole = f.value("SELECT generate('Tell me about Germany.', max_tokens => 12)").await;
    let statement = f
        .session
        .parse("SELECT * FROM generate('Tell me about Germany.', max_tokens => 12)")
        .unwrap()
        .remove(0);
    let Outcome::Rows { mut stream, schema, .. } = f.session.execute(&statement, &[]).await.unwrap() else {
        panic!()
    };
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["index", "token_id", "token", "logprob", "text", "elapsed_ms"]);
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.unwrap();
        assert_eq!(batch.num_rows(), 1);
        rows.extend(super::support::text(&batch));
    }
    assert!(rows.len() > 1);
    assert!(rows.iter().enumerate().all(|(i, row)| row[0] == i.to_string()));
    assert_eq!(rows.last().unwrap()[4], whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_in_from_read_what_stands_before_them() {
    let f = questions().await;
    let expected =
        f.rows("SELECT id, generate(body, max_tokens => 3) FROM q WHERE body IS NOT NULL ORDER BY id").await;
    for from in [
        "q, LATERAL generate(q.body, max_tokens => 3) g",
        "q, generate(q.body, max_tokens => 3) g",
        "q CROSS JOIN LATERAL generate(prompt => q.body, max_tokens => 3) AS g",
    ] {
        let rows = f
            .rows(&format!(
                "SELECT id, string_agg(g.token, '' ORDER BY g.index) FROM {from} GROUP BY id ORDER BY id"
            ))
            .await;
        assert_eq!(rows.iter().map(|r| r[0].clone()).collect::<Vec<_>>(), ["1", "2", "3", "5"], "{from}");
        assert_eq!(
            rows.iter().map(|r| r[1].trim().to_owned()).collect::<Vec<_>>(),
            expected.iter().map(|r| r[1].trim().to_owned()).collect::<Vec<_>>(),
            "{from}"
        );
    }
    let left = f.rows("SELECT q.id, g.index FROM q LEFT JOIN LATERAL generate(q.body, max_tokens => 1) g ON true ORDER BY q.id").await;
    assert_eq!(left, [["1", "0"], ["2", "0"], ["3", "0"], ["4", "NULL"], ["5", "0"]]);
    let embedded = f
        .rows("SELECT e.text, e.tokens > 0 FROM q, embed(q.body) e WHERE q.id IN (2, 5) ORDER BY q.id")
        .await;
    assert_eq!(embedded, [["What is 2 + 3?", "true"], ["Say hello.", "true"]]);
    let renamed =
        f.rows("SELECT t.i FROM generate('Say hello.', max_tokens => 2) AS t(i, a, b, c, d, e)").await;
    assert_eq!(renamed.first().unwrap(), &["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_have_length_one_and_the_models_dimensions() {
    let f = questions().await;
    assert_eq!(f.value("SELECT round(similarity(embed('a dog'), embed('a dog')), 4)").await, "1.0");
    assert_eq!(
        f.value("SELECT similarity(embed('a dog'), embed('the sum of two numbers')) < 0.999").await,
        "true"
    );
    assert_eq!(f.value("SELECT cardinality(embed('x', dimensions => 16))").await, "16");
    assert_eq!(f.rows("SELECT embed(NULL), similarity(NULL, embed('x'))").await, [["NULL", "NULL"]]);
    f.rows("CREATE TABLE e AS SELECT id, embed(body) AS v FROM q WHERE body IS NOT NULL").await;
    assert_eq!(f.value("SELECT id FROM e WHERE id > 1 ORDER BY similarity(v, embed('What is the capital of France?')) DESC LIMIT 1").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_go_there_and_back() {
    let f = Fixture::new();
    assert_eq!(f.value("SELECT detokenize(tokenize('Hello, wörld!'))").await, "Hello, wörld!");
    assert_eq!(
        f.value("SELECT count_tokens('Hello, wörld!') = cardinality(tokenize('Hello, wörld!'))").await,
        "true"
    );
    assert_eq!(
        f.rows(
            "SELECT tokenize(NULL), detokenize(NULL), count_tokens(NULL), generate(NULL), score('x', NULL)"
        )
        .await,
        [["NULL"; 5]]
    );
    assert_eq!(f.value("SELECT score('What is 2 + 3?', '5') < 0").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn details_tell_where_an_answer_came_from_and_equal_rows_share_it() {
    let f = questions().await;
    let rows = f
        .rows("SELECT (d).text, (d).finish_reason, (d).provenance, (d).trajectory_id FROM (SELECT id, generate(body, details => true) AS d FROM q WHERE id IN (1, 3)) x ORDER BY id")
        .await;
    assert_eq!(rows[0], rows[1]);
    assert!(!rows[0][2].is_empty());
    assert!(matches!(rows[0][1].as_str(), "stop" | "length"), "{rows:?}");
    assert_eq!(rows[0][0], f.value("SELECT generate(body) FROM q WHERE id = 1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_stops_the_model() {
    let f = Fixture::new();
    let statement = f
        .session
        .parse(
            "SELECT * FROM generate('Tell me a long story.', max_tokens => 400, temperature => 1, seed => 1)",
        )
        .unwrap()
        .remove(0);
    let Outcome::Rows { mut stream, .. } = f.session.execute(&statement, &[]).await.unwrap() else {
        panic!()
    };
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(f.value("SELECT count(*) FROM generate('Say hello.', max_tokens => 1)").await, "1");
}
