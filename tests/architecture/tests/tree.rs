//! The rules of the house, held against this tree.

use std::env;
use std::path::Path;
use std::sync::LazyLock;

use hyprstream_architecture::imports::Imports;
use hyprstream_architecture::rules::{files, imports, layers};
use hyprstream_architecture::tree::Tree;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::read(Path::new(ROOT)).expect("the tree can be read"));

/// The arrows of every package.
static IMPORTS: LazyLock<Vec<Imports>> = LazyLock::new(|| {
    let read = |package| Imports::read(&TREE, package).expect("the sources can be read");
    TREE.packages.iter().map(read).collect()
});

/// Fails with every finding at once.
fn none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let findings: Vec<String> = IMPORTS.iter().flat_map(imports::circles_of_files).collect();
    none("circles of files", &findings);
}

#[test]
fn no_room_imports_one_above_it() {
    let findings: Vec<String> = IMPORTS.iter().flat_map(imports::circles_of_rooms).collect();
    none("circles of rooms", &findings);
}

#[test]
fn no_folder_is_too_full() {
    none("folders with too many files", &files::folders_too_full(&TREE));
}

#[test]
fn a_file_has_one_subject() {
    none("files that are too long", &files::files_too_long(&TREE));
}

#[test]
fn modules_are_named_for_what_they_do() {
    none("files whose name says nothing", &files::vague_names(&TREE));
}

#[test]
fn unsafe_stands_only_in_the_modules_named_for_it() {
    none("unsafe outside its modules", &files::unsafe_outside_its_modules(&TREE));
    none("modules named for unsafe that are not there", &files::unsafe_modules_missing(&TREE));
}

#[test]
fn nothing_is_left_unfinished() {
    none("marks of something unfinished", &files::unfinished(&TREE));
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    none("lints silenced with allow instead of expect and a reason", &files::silenced_lints(&TREE));
}

#[test]
fn no_path_of_one_machine_is_in_the_tree() {
    let root = Path::new(ROOT).canonicalize().expect("the root");
    let around = root.parent().map(|path| path.display().to_string());
    let folders: Vec<String> = env::var("HOME").ok().into_iter().chain(around).collect();
    none("paths of this machine", &files::paths_of_a_machine(&TREE, &folders));
}

#[test]
fn dependencies_point_down_the_layers_only() {
    none("dependencies against the layers", &layers::dependencies_against_the_layers(&TREE));
}

#[test]
fn a_layer_does_not_know_what_is_not_its_business() {
    none("libraries that are no business of a layer", &layers::strangers(&TREE));
}

#[test]
fn only_the_layers_above_the_engine_know_datafusion() {
    none("DataFusion below its layer", &layers::datafusion_below_its_layer(&TREE));
}
