//! The documents say what the program does: commands exist, and the references name everything that the
//! server has and nothing else.

use std::{collections::BTreeSet, fs, process::Command};

use crate::harness::{Server, program, root};

const DOCUMENTS: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "docs/backup.md", "docs/sql.md", "docs/configuration.md"];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in backquotes that begin the headings of one section of a document.
fn headings(text: &str, section: &str) -> BTreeSet<String> {
    let start =
        text.find(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("there is no section {section}"));
    let body = &text[start + 4..];
    let body = body.find("\n## ").map_or(body, |end| &body[..end]);
    body.lines()
        .filter_map(|line| line.strip_prefix("### `")?.split(['`', '(']).next().map(str::to_owned))
        .collect()
}

#[test]
fn every_make_command_that_is_mentioned_exists() {
    let makefile = read("Makefile");
    let mut mentioned = 0;
    for document in DOCUMENTS {
        for word in read(document).split("make ").skip(1) {
            let target: String = word.chars().take_while(char::is_ascii_lowercase).collect();
            let is_command = makefile.contains(&format!("\n{target}: "));
            assert!(
                is_command || !word.starts_with(&format!("{target}`")),
                "{document} mentions make {target}"
            );
            mentioned += usize::from(is_command);
        }
    }
    assert!(mentioned >= 4, "the documents name the commands");
    let readme = read("README.md");
    let first = readme.find("make ").expect("a command");
    assert!(readme[first..].starts_with("make demo"), "the first command of the README is make demo");
}

#[test]
fn every_command_of_the_program_that_a_document_shows_exists() {
    let mut shown = 0;
    for document in DOCUMENTS {
        let text = read(document);
        let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        for line in blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("hyprstream ")) {
            let command = line.split(' ').next().expect("a word");
            let help =
                Command::new(program()).args([command, "--help"]).output().expect("it can be executed");
            let known = String::from_utf8_lossy(&help.stdout);
            assert!(help.status.success(), "{document} shows hyprstream {command}");
            for word in line.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(known.contains(word), "{document} shows hyprstream {command} {word}");
            }
            shown += 1;
        }
    }
    assert!(shown >= 4, "the documents show the commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_the_readme_runs_as_it_is_printed() {
    let server = Server::start().await;
    let readme = read("README.md");
    let session = readme.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next());
    let connection = server.connect().await;
    connection.run(session.expect("a session")).await;
    let leaning = "SELECT generate('Is this review positive or negative? ' || body, max_tokens => 4) FROM reviews ORDER BY id";
    let leaning: Vec<_> = connection.rows(leaning).await.into_iter().flatten().flatten().collect();
    assert_eq!(leaning, ["negative", "positive", "negative"]);
    let nearest = "SELECT id FROM reviews \
                   ORDER BY similarity(embed(body), embed('my phone stopped working')) DESC LIMIT 1";
    assert_eq!(connection.value(nearest).await, "1");
    let answered = "SELECT count(*) FROM trajectories WHERE adapter LIKE 'support@%'";
    assert_eq!(connection.value(answered).await, "5");
    let restored = "SELECT version FROM adapters WHERE name = 'support' AND is_latest";
    assert_eq!(connection.value(restored).await, "3");
}

#[test]
fn every_file_that_a_document_links_to_exists() {
    for document in DOCUMENTS {
        let text = read(document);
        let directory = root().join(document).parent().expect("a directory").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(directory.join(path).exists(), "{document} links to {path}");
            }
        }
    }
}

/// A text with every run of white space as one space.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_configuration_reference_is_what_the_program_knows() {
    let output = Command::new(program())
        .args(["config", "show", "--describe", "--format", "json"])
        .output()
        .expect("hyprstream can be executed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let options: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("a JSON array");
    let reference = read("docs/configuration.md");
    let name = |option: &serde_json::Value| option["option"].as_str().expect("a name").to_owned();
    assert_eq!(headings(&reference, "Options"), options.iter().map(name).collect());
    for option in &options {
        let description = flowing(option["description"].as_str().expect("a description"));
        assert!(flowing(&reference).contains(&description), "{}: {description}", name(option));
    }
}

/// The words in backquotes of the paragraph under a heading.
fn words_under(text: &str, heading: &str) -> BTreeSet<String> {
    let start = text.find(&format!("\n### `{heading}`\n")).unwrap_or_else(|| panic!("there is no {heading}"));
    let body = text[start + 5..].split_once('\n').expect("a body").1;
    let body = body.find("\n#").map_or(body, |end| &body[..end]);
    body.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_reference_names_every_table_column_and_setting() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let reference = read("docs/sql.md");
    let names = |rows: Vec<Vec<Option<String>>>| -> BTreeSet<String> {
        rows.into_iter().map(|row| row[0].clone().expect("a name")).collect()
    };
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hyprstream'";
    let tables = names(connection.rows(tables).await);
    assert_eq!(headings(&reference, "Tables"), tables);
    for table in tables {
        let columns = format!(
            "SELECT column_name FROM information_schema.columns \
             WHERE table_schema = 'hyprstream' AND table_name = '{table}'"
        );
        assert_eq!(words_under(&reference, &table), names(connection.rows(&columns).await), "{table}");
    }
    let settings = "SELECT name FROM hyprstream.settings WHERE name LIKE 'hyprstream.%'";
    assert_eq!(headings(&reference, "Settings"), names(connection.rows(settings).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_reference_names_only_functions_and_procedures_that_exist() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let reference = read("docs/sql.md");
    let functions = headings(&reference, "Functions");
    assert!(functions.contains("generate") && functions.contains("embed"), "{functions:?}");
    for function in functions {
        let error = connection
            .error(&format!("SELECT * FROM {function}(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)"))
            .await;
        let scalar = connection.error(&format!("SELECT {function}()")).await;
        let over_versions = [("adapter_weights", "'nothing'"), ("adapter_diff", "'nothing', 'nothing'")];
        if let Some((_, versions)) = over_versions.iter().find(|(name, _)| *name == function) {
            let unknown = connection.error(&format!("SELECT * FROM {function}({versions})")).await;
            assert_eq!(unknown.code, "42704", "{function}");
            continue;
        }
        assert!(
            error.code != "42883" || scalar.code != "42883" || scalar.message.contains("argument"),
            "{scalar}"
        );
    }
    for procedure in headings(&reference, "Procedures") {
        let error = connection.error(&format!("CALL {procedure}(nothing_of_this_name => 1)")).await;
        assert!(error.message.contains("nothing_of_this_name"), "{procedure}: {error}");
    }
}
