//! What can be counted in the sources of a crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::imports::Imports;
use crate::modules::Modules;
use crate::tree::{Package, Tree, folder};

/// The figures of one crate, or of several together.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Lines that the crate is compiled from, blank ones and comments included.
    pub source_lines: usize,
    /// Lines that are compiled for tests alone, wherever they stand.
    pub test_lines: usize,
    /// Lines of benchmarks.
    pub bench_lines: usize,
    /// Files that the crate is compiled from.
    pub files: usize,
    /// The lines of each function outside tests, from the line of `fn` to its closing brace.
    pub functions: Vec<usize>,
    /// The Rust files of each folder that has any, tests and benches included.
    pub folders: Vec<usize>,
    /// Sets of files that import each other in a circle.
    pub circles: usize,
    /// Pairs of files of which one names something that the other defines.
    pub arrows: usize,
    /// Those of them that run back up.
    pub backward: usize,
    /// Names that other crates can import.
    pub public: usize,
    /// Dependencies that no source names.
    pub unused: Vec<String>,
}

impl Figures {
    /// Counts one package.
    pub fn of(tree: &Tree, package: &Package) -> Result<Self> {
        let modules = Modules::read(tree, package)?;
        let imports = Imports::of(&modules);
        let product = modules.product_files();
        let mut figures = Self {
            files: product.len(),
            circles: imports.circles().len(),
            arrows: imports.arrows.len(),
            backward: imports.backward().len(),
            public: modules.public_names(),
            unused: unused(tree, package, &modules),
            ..Self::default()
        };
        let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, text) in tree.sources_of(package) {
            *folders.entry(folder(path)).or_default() += 1;
            let lines = text.lines().count();
            if let Some(tests) = product.get(path) {
                figures.source_lines += lines - tests;
                figures.test_lines += tests;
            } else if path.split('/').any(|part| part == "benches") {
                figures.bench_lines += lines;
            } else {
                figures.test_lines += lines;
            }
        }
        figures.folders = folders.into_values().collect();
        let functions = modules.iter().filter(|(_, module)| !module.is_test);
        let functions = functions.flat_map(|(_, module)| &module.functions);
        figures.functions = functions.map(|function| function.lines).collect();
        Ok(figures)
    }

    /// Counts several together.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.source_lines += one.source_lines;
            sum.test_lines += one.test_lines;
            sum.bench_lines += one.bench_lines;
            sum.files += one.files;
            sum.functions.extend(&one.functions);
            sum.folders.extend(&one.folders);
            sum.circles += one.circles;
            sum.arrows += one.arrows;
            sum.backward += one.backward;
            sum.public += one.public;
            sum.unused.extend(one.unused.iter().cloned());
        }
        sum
    }
}

/// The names of the packages that the program is built from: the one at the root, and what it depends on
/// otherwise than for its tests and benches.
pub fn product(tree: &Tree) -> BTreeSet<&str> {
    let named = |name: &str| tree.packages.iter().find(|package| package.name == name);
    let mut product = BTreeSet::new();
    let mut open: Vec<&Package> =
        tree.packages.iter().filter(|package| package.directory.is_empty()).collect();
    while let Some(package) = open.pop() {
        if product.insert(package.name.as_str()) {
            let dependencies = package.dependencies.iter().filter(|dependency| !dependency.is_dev);
            open.extend(dependencies.filter_map(|dependency| named(&dependency.package)));
        }
    }
    product
}

/// The dependencies whose names stand in no source of the package, in front of `::` or behind `use` or `extern crate`.
fn unused(tree: &Tree, package: &Package, modules: &Modules) -> Vec<String> {
    let files: BTreeSet<&str> = modules.iter().map(|(_, module)| module.file.as_str()).collect();
    let texts: Vec<&str> =
        files.iter().filter_map(|file| tree.files.get(*file)).map(String::as_str).collect();
    let is_named = |name: &str| texts.iter().any(|text| text.lines().any(|line| names(line, name)));
    let silent = package.dependencies.iter().filter(|dependency| {
        !package.used_unnamed.contains(&dependency.package) && !is_named(&dependency.name)
    });
    silent.map(|dependency| dependency.package.clone()).collect()
}

fn names(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, behind) = (&code[..at], &code[at + name.len()..]);
        // `name`, and neither a longer word nor the `name` of another crate: `other::name`.
        let is_whole = !before.ends_with(is_word) && !behind.starts_with(is_word);
        let is_first = !before.strip_suffix("::").is_some_and(|path| path.ends_with(is_word));
        let is_import = ["use ", "crate "].iter().any(|word| before.ends_with(word));
        is_whole && is_first && (behind.starts_with("::") || is_import)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Dependency;

    fn dependency(name: &str, is_dev: bool) -> Dependency {
        Dependency { package: name.to_owned(), name: name.replace('-', "_"), is_dev }
    }

    #[test]
    fn lines_are_told_apart_by_what_they_are_compiled_for() {
        let tree = Tree::made_up(&[
            ("src/lib.rs", "mod a;\nfn f() {\n}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n}\n"),
            ("src/a.rs", "pub struct A;\n"),
            ("src/tests.rs", "\n\n\n"),
            ("tests/client.rs", "\n"),
            ("benches/speed.rs", "\n\n"),
        ]);
        let figures = Figures::of(&tree, &tree.packages[0]).expect("a tree that can be read");
        assert_eq!((figures.source_lines, figures.test_lines, figures.bench_lines), (4, 9, 2));
        assert_eq!((figures.files, figures.functions), (2, vec![2]));
        assert_eq!(figures.folders, [1, 3, 1]);
    }

    #[test]
    fn a_dependency_that_no_source_names_is_unused() {
        let mut tree = Tree::made_up(&[(
            "src/lib.rs",
            "use a_b::C;\n// c::d in words\nextern crate e;\nfn f() { my_g::h(); i::j(); i::l::m(); ::n::o() }",
        )]);
        let names = ["a-b", "c", "e", "g", "i", "k", "l", "n"];
        tree.packages[0].dependencies = names.iter().map(|name| dependency(name, false)).collect();
        tree.packages[0].used_unnamed = vec!["k".to_owned()];
        let figures = Figures::of(&tree, &tree.packages[0]).expect("a tree that can be read");
        assert_eq!(figures.unused, ["c", "g", "l"]);
    }

    #[test]
    fn what_only_tests_depend_on_is_no_product() {
        let package = |name: &str, directory: &str, dependencies| Package {
            name: name.to_owned(),
            directory: directory.to_owned(),
            dependencies,
            ..Package::default()
        };
        let packages = vec![
            package("program", "", vec![dependency("engine", false), dependency("testing", true)]),
            package("engine", "engine", Vec::new()),
            package("testing", "testing", vec![dependency("engine", false)]),
            package("recipe", "recipe", vec![dependency("engine", false)]),
        ];
        let tree = Tree { packages, ..Tree::default() };
        assert_eq!(product(&tree), BTreeSet::from(["engine", "program"]));
    }
}
