//! What may stand in a file, and how files lie in folders.

use std::collections::BTreeMap;

use crate::tree::{Tree, folder};

/// Where `unsafe` may stand: the llama.cpp calls, the memory maps and the SIMD kernels.
const UNSAFE_MODULES: [&str; 4] = [
    "models/src/llama/",
    "storage/src/backend/map.rs",
    "learning/src/kernels/multiplier.rs",
    "recipe/src/full_training/amx.rs",
];

/// A file with more lines than this has a second subject.
const MOST_LINES: usize = 600;

/// A folder with more Rust files than this has a room inside it that wants walls.
const MOST_FILES: usize = 15;

/// Names that say nothing.
const VAGUE: [&str; 7] =
    ["utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs", "misc.rs", "manager.rs"];

/// Words that mark something unfinished; split so that this file does not contain them.
const UNFINISHED: [(&str, &str); 5] =
    [("todo", "!("), ("unimpl", "emented!("), ("for ", "now,"), ("FIX", "ME"), ("not yet imp", "lemented")];

/// `unsafe` outside the modules that are named for it.
pub fn unsafe_outside_its_modules(tree: &Tree) -> Vec<String> {
    let is_free = |path: &str| UNSAFE_MODULES.iter().any(|module| path.starts_with(module));
    let others = tree.with_extension("rs").filter(|(path, _)| !is_free(path) && !path.starts_with("tests/"));
    others.flat_map(|(path, text)| lines_where(path, text, is_unsafe)).collect()
}

/// Modules that may have `unsafe` and are not there.
pub fn unsafe_modules_missing(tree: &Tree) -> Vec<String> {
    let is_missing = |module: &&str| !tree.files.keys().any(|path| path.starts_with(module));
    UNSAFE_MODULES.into_iter().filter(is_missing).map(str::to_owned).collect()
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    ["unsafe ", "allow(unsafe_code", "expect(unsafe_code"].iter().any(|mark| code.contains(mark))
}

/// Files that are too long to have one subject.
pub fn files_too_long(tree: &Tree) -> Vec<String> {
    let lengths = tree.with_extension("rs").map(|(path, text)| (path, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > MOST_LINES);
    long.map(|(path, lines)| format!("{path} has {lines} lines, more than {MOST_LINES}")).collect()
}

/// Folders with too many Rust files.
pub fn folders_too_full(tree: &Tree) -> Vec<String> {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, _) in tree.with_extension("rs") {
        *folders.entry(folder(path)).or_default() += 1;
    }
    let full = folders.into_iter().filter(|(_, files)| *files > MOST_FILES);
    full.map(|(folder, files)| format!("{folder} has {files} Rust files, more than {MOST_FILES}")).collect()
}

/// Marks of something unfinished.
pub fn unfinished(tree: &Tree) -> Vec<String> {
    let is_unfinished =
        |line: &str| UNFINISHED.iter().any(|(start, end)| line.contains(&format!("{start}{end}")));
    let files = ["rs", "md", "sql", "toml"].into_iter().flat_map(|kind| tree.with_extension(kind));
    files.flat_map(|(path, text)| lines_where(path, text, is_unfinished)).collect()
}

/// Lints that are silenced with `allow` instead of `expect` and a reason.
pub fn silenced_lints(tree: &Tree) -> Vec<String> {
    let is_silenced = |line: &str| ["#[allow(", "#![allow("].iter().any(|mark| line.trim().starts_with(mark));
    tree.with_extension("rs").flat_map(|(path, text)| lines_where(path, text, is_silenced)).collect()
}

/// Files that name one of these folders of the machine that the checkout lies on.
pub fn paths_of_a_machine(tree: &Tree, folders: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        // A folder such as `/` or `/tmp` is on every machine.
        for folder in folders.iter().filter(|folder| folder.len() > 4) {
            if text.contains(&format!("{folder}/")) {
                findings.push(format!("{path} names {folder}"));
            }
        }
    }
    findings
}

/// Files whose name says nothing.
pub fn vague_names(tree: &Tree) -> Vec<String> {
    let name = |path: &str| path.rsplit('/').next().is_some_and(|name| VAGUE.contains(&name));
    tree.with_extension("rs").map(|(path, _)| path.to_owned()).filter(|path| name(path)).collect()
}

fn lines_where(path: &str, text: &str, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let wrong = text.lines().enumerate().filter(|(_, line)| is_wrong(line));
    wrong.map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_found_outside_its_modules_alone() {
        let tree = Tree::made_up(&[
            ("models/src/llama/context.rs", "unsafe { call() }"),
            ("src/lib.rs", "// unsafe in words\nlet x = unsafe { read() };"),
            ("src/other.rs", "#[expect(unsafe_code, reason = \"none\")]"),
        ]);
        let expected = [
            "src/lib.rs:2: let x = unsafe { read() };",
            "src/other.rs:1: #[expect(unsafe_code, reason = \"none\")]",
        ];
        assert_eq!(unsafe_outside_its_modules(&tree), expected);
    }

    #[test]
    fn a_module_that_may_have_unsafe_and_is_gone_is_found() {
        let (gone, rest) = UNSAFE_MODULES.split_first().expect("a module");
        let files: Vec<(&str, &str)> = rest.iter().map(|path| (*path, "")).collect();
        assert_eq!(unsafe_modules_missing(&Tree::made_up(&files)), [*gone]);
    }

    #[test]
    fn a_file_of_601_lines_is_too_long() {
        let tree = Tree::made_up(&[("src/a.rs", &"\n".repeat(600)), ("src/b.rs", &"\n".repeat(601))]);
        assert_eq!(files_too_long(&tree), ["src/b.rs has 601 lines, more than 600"]);
    }

    #[test]
    fn a_folder_of_16_files_is_too_full() {
        let paths: Vec<String> = (0..16).map(|n| format!("src/full/{n}.rs")).collect();
        let mut files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        files.extend(["src/full/inner/a.rs", "src/full/note.md"].map(|path| (path, "")));
        assert_eq!(folders_too_full(&Tree::made_up(&files)), ["src/full has 16 Rust files, more than 15"]);
    }

    #[test]
    fn what_is_unfinished_is_found_in_code_and_documents() {
        let (start, end) = UNFINISHED[2];
        let tree = Tree::made_up(&[("README.md", &format!("Enough {start}{end} they say.")), ("a.py", "x")]);
        assert_eq!(unfinished(&tree).len(), 1);
    }

    #[test]
    fn a_lint_that_is_silenced_is_found() {
        let tree =
            Tree::made_up(&[("src/a.rs", "  #[allow(dead_code)]\n#[expect(dead_code, reason = \"r\")]")]);
        assert_eq!(silenced_lints(&tree), ["src/a.rs:1: #[allow(dead_code)]"]);
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let tree = Tree::made_up(&[("docs/a.md", "See /home/someone/notes."), ("docs/b.md", "See /tmp/x.")]);
        let folders = ["/home/someone".to_owned(), "/tmp".to_owned()];
        assert_eq!(paths_of_a_machine(&tree, &folders), ["docs/a.md names /home/someone"]);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let tree = Tree::made_up(&[("src/a/utils.rs", ""), ("src/a/units.rs", "")]);
        assert_eq!(vague_names(&tree), ["src/a/utils.rs"]);
    }
}
