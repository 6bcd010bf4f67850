//! Where generation stands in plans.

use super::support::Fixture;

/// The operators of a plan that matter here, outermost first, with their nesting left out.
async fn operators(f: &Fixture, query: &str) -> Vec<String> {
    let plan = f.plan(query).await;
    plan.lines().map(|line| line.trim().split([':', ' ']).next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn generation_stands_where_it_sees_the_fewest_rows() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, body TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    for (query, expected) in [
        ("SELECT generate(body) FROM t LIMIT 1", vec!["ProjectionExec", "InferenceExec", "DataSourceExec"]),
        (
            "SELECT id FROM t WHERE generate(body) = 'x' AND id > 1",
            vec!["FilterExec", "ProjectionExec", "InferenceExec", "FilterExec", "DataSourceExec"],
        ),
        (
            "SELECT generate(body) FROM t ORDER BY id LIMIT 1",
            vec!["ProjectionExec", "InferenceExec", "SortExec", "DataSourceExec"],
        ),
        (
            "SELECT id FROM t ORDER BY generate(body)",
            vec!["ProjectionExec", "SortExec", "ProjectionExec", "InferenceExec", "DataSourceExec"],
        ),
        (
            "SELECT generate(generate(body)) FROM t",
            vec!["ProjectionExec", "InferenceExec", "InferenceExec", "DataSourceExec"],
        ),
        ("SELECT * FROM generate('x')", vec!["CooperativeExec", "ModelRowsExec"]),
        (
            "SELECT g.token FROM t, generate(t.body) g WHERE t.id = 1",
            vec!["ProjectionExec", "ModelRowsExec", "FilterExec", "DataSourceExec"],
        ),
    ] {
        let found = operators(&f, query).await;
        assert_eq!(found, expected, "{query}\n{}", f.plan(query).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_the_call_its_condition_and_its_limit() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, body TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    let plan = f.plan("SELECT CASE WHEN id = 1 THEN generate(body, max_tokens => 3) END FROM t").await;
    assert!(
        plan.contains(
            "InferenceExec: generate(body@1, NULL, NULL, 3) WHEN id@0 = 1 IS NOT DISTINCT FROM true"
        ) || plan.contains("InferenceExec: generate(body@1, NULL, NULL, 3) WHEN"),
        "{plan}"
    );
    let plan = f.plan("SELECT id FROM t WHERE generate(body) = 'x' LIMIT 2").await;
    assert!(plan.contains("wanted_rows=2"), "{plan}");
    let plan = f.plan("SELECT id, completion FROM trajectories WHERE id >= 5 AND id < 9 LIMIT 3").await;
    assert!(
        plan.contains("SystemTableExec: trajectories, projection=[id, completion], filters=[")
            && plan.contains("limit=3"),
        "{plan}"
    );
    let plan = f.plan("SELECT prompt FROM trajectories ORDER BY id DESC LIMIT 2").await;
    assert!(plan.contains("descending, limit=2") && !plan.contains("SortExec"), "{plan}");
    let plan = f.plan("SELECT id FROM trajectories ORDER BY prompt LIMIT 2").await;
    assert!(plan.contains("SortExec"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_not_planned() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, body TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    let answers =
        "(SELECT id, generate(body) AS a, generate(id::TEXT) AS b FROM t WHERE id > 0 ORDER BY id LIMIT 9) s";
    for (query, calls) in [
        (format!("SELECT count(id) FROM {answers}"), 0),
        (format!("SELECT count(*) FROM {answers}"), 0),
        (format!("SELECT id, b FROM {answers}"), 1),
        (format!("SELECT a FROM {answers} WHERE b <> 'x'"), 2),
    ] {
        let plan = f.plan(&query).await;
        let found = plan.matches("generate(").count();
        assert_eq!(found, calls, "{query}\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyzed_plan_shows_what_the_calls_of_an_operator_cost() {
    let f = Fixture::new();
    f.rows("CREATE TABLE t (id INT, body TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'a')").await;
    let tokens = "SELECT sum(d.completion_tokens), sum(d.prompt_tokens) FROM \
        (SELECT generate(body, max_tokens => 3, details => true) AS d FROM t WHERE id < 3)";
    let tokens = f.rows(tokens).await.remove(0);
    let rows = f.rows("EXPLAIN ANALYZE SELECT generate(body, max_tokens => 3) FROM t").await;
    let operator = rows[0][1].lines().find(|line| line.contains("InferenceExec: generate")).unwrap();
    for metric in [
        "calls=2,".to_owned(),
        "deduplicated_calls=1,".to_owned(),
        format!("generated_tokens={},", tokens[0]),
        format!("prompt_tokens={},", tokens[1]),
        "average_time_to_first_token=".to_owned(),
    ] {
        assert!(operator.contains(&metric), "{metric} in {operator}");
    }
}
