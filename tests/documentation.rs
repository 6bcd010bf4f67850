//! The documents say what the program does: commands exist, and the references name everything that the
//! server has and nothing else.

use std::{collections::BTreeSet, fs, process::Command};

use crate::harness::{Server, root};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in backquotes that begin the headings of one section of a document.
fn headings(text: &str, section: &str) -> BTreeSet<String> {
    let start = text
        .find(&format!("\n## {section}\n"))
        .unwrap_or_else(|| panic!("there is no section {section}"));
    let body = &text[start + 4..];
    let body = body.find("\n## ").map_or(body, |end| &body[..end]);
    body.lines()
        .filter_map(|line| {
            line.strip_prefix("### `")?
                .split(['`', '('])
                .next()
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn every_make_command_that_is_mentioned_exists() {
    let makefile = read("Makefile");
    let mut mentioned = 0;
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/sql.md",
        "docs/configuration.md",
    ] {
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
    assert!(
        readme[first..].starts_with("make demo"),
        "the first command of the README is make demo"
    );
}

#[test]
fn every_file_that_a_document_links_to_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/sql.md",
        "docs/configuration.md",
    ] {
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

#[test]
fn the_configuration_reference_is_what_the_program_knows() {
    let output = Command::new(env!("CARGO_BIN_EXE_hyprstream"))
        .args(["config", "show"])
        .output()
        .expect("hyprstream can be executed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    let known: BTreeSet<String> = shown
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().to_owned()))
        .collect();
    assert!(known.len() > 5, "{shown}");
    assert_eq!(headings(&read("docs/configuration.md"), "Options"), known);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_reference_names_every_table_setting_and_function() {
    let server = Server::start().await;
    let connection = server.connect().await;
    let reference = read("docs/sql.md");
    let names = |rows: Vec<Vec<Option<String>>>| -> BTreeSet<String> {
        rows.into_iter()
            .map(|row| row[0].clone().expect("a name"))
            .collect()
    };
    let tables = connection
        .rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'hyprstream'")
        .await;
    assert_eq!(headings(&reference, "Tables"), names(tables));
    let settings = connection.rows("SELECT name FROM hyprstream.settings").await;
    assert_eq!(headings(&reference, "Settings"), names(settings));
    for function in headings(&reference, "Functions") {
        let error = connection.error(&format!("SELECT {function}()")).await;
        assert!(
            !error.message.contains("did you mean"),
            "{function} is in the reference: {error}"
        );
    }
}
