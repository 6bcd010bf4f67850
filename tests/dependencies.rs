//! Which crate may know which: an arrow that runs the wrong way fails here.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use crate::harness::root;

/// Every arrow between the project's crates.
const ARROWS: [(&str, &[&str]); 9] = [
    ("hyprstream", &["hyprstream-engine", "hyprstream-sql"]),
    ("hyprstream-sql", &["hyprstream-engine", "hyprstream-udfs"]),
    ("hyprstream-udfs", &["hyprstream-engine"]),
    ("hyprstream-engine", &["hyprstream-learning", "hyprstream-models", "hyprstream-storage"]),
    ("hyprstream-learning", &["hyprstream-models"]),
    ("hyprstream-models", &[]),
    // For tests and benchmarks alone: every arrow to it is one of theirs.
    ("hyprstream-models-testing", &["hyprstream-models"]),
    ("hyprstream-storage", &[]),
    ("hyprstream-bundled-recipe", &["hyprstream-learning", "hyprstream-models"]),
];

/// What a layer must not know, at any depth of its own dependencies.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("hyprstream-models", &["datafusion", "arrow", "sled", "pgwire", "tonic"]),
    ("hyprstream-learning", &["datafusion", "arrow", "sled", "pgwire", "tonic"]),
    ("hyprstream-storage", &["datafusion", "arrow", "tokio", "candle-core", "llama-cpp-sys-2"]),
    ("hyprstream-engine", &["datafusion", "arrow", "pgwire", "tonic"]),
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo can be executed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The names of a package's dependencies, those of its tests and benches apart.
fn dependencies(package: &Value) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().expect("dependencies").iter();
    all.filter(|one| one["kind"] != "dev").map(|one| one["name"].as_str().expect("a name")).collect()
}

#[test]
fn dependencies_point_down_the_layers_only() {
    let packages = packages();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(from, _)| *from).collect();
    let present: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().expect("a name")).collect();
    assert_eq!(present, known, "every crate of the workspace has its place in this test");
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = ARROWS.iter().find(|(from, _)| *from == name).expect("a known crate").1;
        for dependency in dependencies(package).intersection(&known) {
            assert!(allowed.contains(dependency), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn a_layer_does_not_know_what_is_not_its_business() {
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let Some((_, strangers)) = STRANGERS.iter().find(|(layer, _)| *layer == name) else {
            continue;
        };
        for dependency in dependencies(&package) {
            assert!(!strangers.contains(&dependency), "{name} must not know {dependency}");
        }
    }
}
