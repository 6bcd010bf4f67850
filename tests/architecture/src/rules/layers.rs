//! Which crate may know which: dependencies point down the layers.

use crate::tree::{Package, Tree};

/// Every dependency that the crates of the product, and the recipe of its model, may have on each other. Any other
/// crate of the workspace serves development alone: only tests and benches of these may depend on it.
const ARROWS: [(&str, &[&str]); 8] = [
    ("hyprstream", &["hyprstream-engine", "hyprstream-sql"]),
    ("hyprstream-sql", &["hyprstream-engine", "hyprstream-udfs"]),
    ("hyprstream-udfs", &["hyprstream-engine"]),
    ("hyprstream-engine", &["hyprstream-learning", "hyprstream-models", "hyprstream-storage"]),
    ("hyprstream-learning", &["hyprstream-models"]),
    ("hyprstream-models", &[]),
    ("hyprstream-storage", &[]),
    ("hyprstream-bundled-recipe", &["hyprstream-learning", "hyprstream-models"]),
];

/// What a layer must not depend on itself.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("hyprstream-models", &["datafusion", "arrow", "sled", "pgwire", "tonic"]),
    ("hyprstream-learning", &["datafusion", "arrow", "sled", "pgwire", "tonic"]),
    ("hyprstream-storage", &["datafusion", "arrow", "tokio", "candle-core", "llama-cpp-sys-2"]),
    ("hyprstream-engine", &["datafusion", "arrow", "pgwire", "tonic"]),
];

/// The crates that must not name `DataFusion`.
const BELOW_DATAFUSION: [&str; 4] =
    ["hyprstream-engine", "hyprstream-models", "hyprstream-learning", "hyprstream-storage"];

/// Layers that are missing, and dependencies between crates of the workspace that do not point down the layers.
pub fn dependencies_against_the_layers(tree: &Tree) -> Vec<String> {
    let is_present = |name: &str| tree.packages.iter().any(|package| package.name == name);
    let missing = ARROWS.iter().filter(|(layer, _)| !is_present(layer));
    let mut findings: Vec<String> = missing.map(|(layer, _)| format!("there is no crate {layer}")).collect();
    for package in &tree.packages {
        let Some((layer, allowed)) = ARROWS.iter().find(|(layer, _)| *layer == package.name) else {
            continue;
        };
        let wrong = dependencies(package).filter(|name| is_present(name) && !allowed.contains(name));
        findings.extend(wrong.map(|name| format!("{layer} must not depend on {name}")));
    }
    findings
}

/// Libraries that are not the business of the layer that depends on them.
pub fn strangers(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let unwanted = STRANGERS.iter().filter(|(layer, _)| *layer == package.name);
        for stranger in unwanted.flat_map(|(_, strangers)| *strangers) {
            if dependencies(package).any(|name| name == *stranger) {
                findings.push(format!("{} must not know {stranger}", package.name));
            }
        }
    }
    findings
}

/// Files of the engine and below that name `DataFusion`.
pub fn datafusion_below_its_layer(tree: &Tree) -> Vec<String> {
    let below = tree.packages.iter().filter(|package| BELOW_DATAFUSION.contains(&package.name.as_str()));
    let files = below.flat_map(|package| tree.sources_of(package));
    files.filter(|(_, text)| text.contains("datafusion::")).map(|(path, _)| path.to_owned()).collect()
}

/// What a package depends on, for its tests and benches apart.
fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let all = package.dependencies.iter().filter(|dependency| !dependency.is_dev);
    all.map(|dependency| dependency.package.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Dependency;

    /// A tree of every layer, and one more crate, in which `name` has one more dependency.
    fn with_dependency(name: &str, on: &str, is_dev: bool) -> Tree {
        let mut names: Vec<&str> = ARROWS.iter().map(|(layer, _)| *layer).collect();
        names.push("hyprstream-models-testing");
        let package = |one: &str| {
            let dependency = Dependency { package: on.to_owned(), name: on.replace('-', "_"), is_dev };
            let dependencies = if one == name { vec![dependency] } else { Vec::new() };
            Package { name: one.to_owned(), directory: one.to_owned(), dependencies, ..Package::default() }
        };
        Tree { packages: names.into_iter().map(package).collect(), ..Tree::default() }
    }

    #[test]
    fn a_dependency_on_a_higher_layer_is_found() {
        let down = with_dependency("hyprstream-engine", "hyprstream-storage", false);
        assert!(dependencies_against_the_layers(&down).is_empty());
        let up = with_dependency("hyprstream-storage", "hyprstream-engine", false);
        let expected = ["hyprstream-storage must not depend on hyprstream-engine"];
        assert_eq!(dependencies_against_the_layers(&up), expected);
    }

    #[test]
    fn a_crate_for_development_is_for_tests_and_benches_alone() {
        let tests = with_dependency("hyprstream-models", "hyprstream-models-testing", true);
        assert!(dependencies_against_the_layers(&tests).is_empty());
        let product = with_dependency("hyprstream-models", "hyprstream-models-testing", false);
        let expected = ["hyprstream-models must not depend on hyprstream-models-testing"];
        assert_eq!(dependencies_against_the_layers(&product), expected);
    }

    #[test]
    fn a_layer_that_is_missing_is_found() {
        let mut tree = with_dependency("hyprstream", "serde", false);
        tree.packages.retain(|package| package.name != "hyprstream-udfs");
        assert_eq!(dependencies_against_the_layers(&tree), ["there is no crate hyprstream-udfs"]);
    }

    #[test]
    fn a_library_that_is_not_the_business_of_a_layer_is_found() {
        let broken = with_dependency("hyprstream-storage", "tokio", false);
        assert_eq!(strangers(&broken), ["hyprstream-storage must not know tokio"]);
        assert!(strangers(&with_dependency("hyprstream-storage", "tokio", true)).is_empty());
    }

    #[test]
    fn datafusion_is_found_below_its_layer() {
        let mut tree = with_dependency("hyprstream", "serde", false);
        for path in ["hyprstream-engine/src/a.rs", "hyprstream-sql/src/a.rs"] {
            tree.files.insert(path.to_owned(), "use datafusion::sql;".to_owned());
        }
        assert_eq!(datafusion_below_its_layer(&tree), ["hyprstream-engine/src/a.rs"]);
    }
}
