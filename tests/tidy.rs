//! Rules for the files themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::root;

/// Where `unsafe` may stand: the llama.cpp calls, the memory maps and the SIMD kernels.
const UNSAFE_MODULES: [&str; 5] = [
    "models/src/llama/",
    "models/src/weights/memory_map.rs",
    "storage/src/backend/map.rs",
    "learning/src/kernels/multiplier.rs",
    "recipe/src/full_training/amx.rs",
];

/// A file with more lines than this has a second subject.
const MOST_LINES: usize = 600;

/// Words that mark something unfinished; split so that this file does not contain them.
const UNFINISHED: [(&str, &str); 5] =
    [("todo", "!("), ("unimpl", "emented!("), ("for ", "now,"), ("FIX", "ME"), ("not yet imp", "lemented")];

/// The files of the repository as git knows them.
fn files(extension: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git can be executed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .expect("paths are UTF-8")
        .lines()
        .map(PathBuf::from)
        .filter(|path| path.extension().is_some_and(|e| e == extension) && root().join(path).is_file())
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails with every finding at once.
fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn unsafe_stands_only_in_the_modules_named_for_it() {
    let mut findings = Vec::new();
    for path in files("rs") {
        let name = path.display().to_string();
        if UNSAFE_MODULES.iter().any(|module| name.starts_with(module)) || name.starts_with("tests/") {
            continue;
        }
        for (number, line) in read(&path).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("unsafe ")
                || code.contains("allow(unsafe_code")
                || code.contains("expect(unsafe_code")
            {
                findings.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    report("unsafe outside its modules", &findings);
}

#[test]
fn a_file_has_one_subject() {
    let long: Vec<String> = files("rs")
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();
    report("files that are too long", &long);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut findings = Vec::new();
    for path in files("rs").iter().chain(&files("md")).chain(&files("sql")).chain(&files("toml")) {
        for (number, line) in read(path).lines().enumerate() {
            for (start, end) in UNFINISHED {
                if line.contains(&format!("{start}{end}")) {
                    findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    report("marks of something unfinished", &findings);
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let mut findings = Vec::new();
    for path in files("rs").iter().filter(|path| !path.starts_with("tests/tidy.rs")) {
        let text = read(path);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[allow(") || line.starts_with("#![allow(") {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report("lints silenced with allow instead of expect and a reason", &findings);
}

#[test]
fn no_path_of_one_machine_is_in_the_tree() {
    let home = std::env::var("HOME").unwrap_or_default();
    let parent = root().parent().map(|path| path.display().to_string()).unwrap_or_default();
    let mut findings = Vec::new();
    for extension in ["rs", "md", "toml", "sql", "slt", "py", "json", "yml"] {
        for path in files(extension) {
            let Ok(text) = fs::read_to_string(root().join(&path)) else {
                continue;
            };
            for place in [&home, &parent].into_iter().filter(|place| place.len() > 4) {
                if text.contains(&format!("{place}/")) {
                    findings.push(format!("{} names {place}", path.display()));
                }
            }
        }
    }
    report("paths of this machine", &findings);
}

#[test]
fn modules_are_named_for_what_they_do() {
    let vague = ["utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs", "misc.rs", "manager.rs"];
    let found: Vec<String> = files("rs")
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| vague.iter().any(|v| name == *v)))
        .map(|path| path.display().to_string())
        .collect();
    report("files whose name says nothing", &found);
}

#[test]
fn only_the_layers_above_the_engine_know_datafusion() {
    let mut findings = Vec::new();
    for path in files("rs") {
        let name = path.display().to_string();
        let below =
            ["engine/", "models/", "learning/", "storage/"].iter().any(|layer| name.starts_with(layer));
        if below && read(&path).contains("datafusion::") {
            findings.push(name);
        }
    }
    report("DataFusion below the engine", &findings);
}
