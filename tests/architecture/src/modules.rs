//! The modules of one package, over its files, and the way from a path to the file that defines what it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::source::{self, Function, ModuleSource, Path, Sharing, Use};
use crate::tree::{self, Package, TargetKind, Tree};

/// Every module of a package, those of its library first.
#[derive(Debug, Default)]
pub struct Modules {
    all: Vec<Module>,
    /// The library's root, by which the package's programs call it.
    library: Option<(String, usize)>,
}

/// A module and what its source says.
#[derive(Debug)]
pub struct Module {
    /// The file that it stands in.
    pub file: String,
    /// Whether it is compiled for tests or benches alone.
    pub is_test: bool,
    /// What it imports.
    pub uses: Vec<Use>,
    /// What its code names, imports apart.
    pub named: BTreeSet<Path>,
    /// Its functions.
    pub functions: Vec<Function>,
    parent: Option<usize>,
    is_public: bool,
    children: BTreeMap<String, usize>,
    defined: BTreeMap<String, bool>,
    is_file: bool,
    test_lines: usize,
}

/// Where a module stands.
#[derive(Clone, Copy)]
struct Position<'a> {
    file: &'a str,
    /// Where the files of the modules that it declares lie.
    folder: &'a str,
    parent: Option<usize>,
    is_test: bool,
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// To a module.
    Module(usize),
    /// To an item, which this file defines.
    Item(&'a str),
    /// Out of the package, or to a local name.
    Outside,
}

impl Found<'_> {
    /// The more telling of two: an item, else a module.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Outside, _) | (Self::Module(_), Self::Item(_)) => other,
            _ => self,
        }
    }
}

/// The names that are being looked up, so that imports that name each other end.
type Trail = BTreeSet<(usize, String)>;

impl Modules {
    /// Reads the modules of a package, following `mod` from the file of each target.
    pub fn read(tree: &Tree, package: &Package) -> Result<Self> {
        let mut modules = Self::default();
        for target in &package.targets {
            let Some(text) = tree.files.get(&target.file) else { continue };
            let is_test = matches!(target.kind, TargetKind::Test | TargetKind::Bench);
            let source = parse(&target.file, text)?;
            let position =
                Position { file: &target.file, folder: tree::folder(&target.file), parent: None, is_test };
            let root = modules.add(tree, source, position)?;
            if target.kind == TargetKind::Library {
                modules.library = Some((target.name.clone(), root));
            }
        }
        Ok(modules)
    }

    /// Every module.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Module)> {
        self.all.iter().enumerate()
    }

    /// The module with this number.
    pub fn get(&self, number: usize) -> &Module {
        &self.all[number]
    }

    /// The lines of each file that the product is compiled from, those for tests inside it apart.
    pub fn product_files(&self) -> BTreeMap<&str, usize> {
        let product = self.all.iter().filter(|module| module.is_file && !module.is_test);
        product.map(|module| (module.file.as_str(), module.test_lines)).collect()
    }

    /// How many names other crates can import from this one's library.
    pub fn public_names(&self) -> usize {
        let mut names = BTreeSet::new();
        if let Some((_, root)) = &self.library {
            self.add_public(*root, &mut BTreeSet::new(), &mut names);
        }
        names.len()
    }

    fn add(&mut self, tree: &Tree, source: ModuleSource, position: Position) -> Result<usize> {
        let number = self.all.len();
        let Position { file, folder, parent, .. } = position;
        let is_test = position.is_test || source.is_test;
        self.all.push(Module {
            file: file.to_owned(),
            is_test,
            uses: source.uses,
            named: source.named,
            functions: source.functions,
            parent,
            is_public: source.is_public,
            children: BTreeMap::new(),
            defined: source.defined,
            is_file: source.name.is_empty(),
            test_lines: source.test_lines,
        });
        let parent = Some(number);
        for inner in source.inline {
            let name = inner.name.clone();
            let position = Position { file, folder: &format!("{folder}/{name}"), parent, is_test };
            let child = self.add(tree, inner, position)?;
            self.all[number].children.insert(name, child);
        }
        for declared in source.declared {
            let name = &declared.name;
            let candidates = match &declared.path {
                Some(path) => vec![normal(&format!("{}/{path}", tree::folder(file)))],
                None => vec![format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")],
            };
            let found = candidates.iter().find_map(|path| tree.files.get_key_value(path));
            let Some((path, text)) = found else { continue };
            let inner = ModuleSource { is_public: declared.is_public, ..parse(path, text)? };
            let folder = path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs")).unwrap_or(path);
            let position = Position { file: path, folder, parent, is_test: is_test || declared.is_test };
            let child = self.add(tree, inner, position)?;
            self.all[number].children.insert(name.clone(), child);
        }
        Ok(number)
    }

    fn root_of(&self, module: usize) -> usize {
        let mut root = module;
        while let Some(parent) = self.all[root].parent {
            root = parent;
        }
        root
    }

    /// Follows a path that is written in `from`.
    pub fn resolve(&self, from: usize, path: &[String]) -> Found<'_> {
        self.follow(from, path, &mut Trail::new())
    }

    fn follow(&self, from: usize, path: &[String], trail: &mut Trail) -> Found<'_> {
        let mut rest = path;
        let mut at = from;
        // Behind `crate`, `self` or `super` everything is of this crate, though a macro may have made it.
        let mut is_ours = false;
        while let Some((first, behind)) = rest.split_first() {
            let library = self.library.as_ref().filter(|(library, _)| library == first);
            let next = match first.as_str() {
                "self" => Some(at),
                "super" => self.all[at].parent,
                "crate" => Some(self.root_of(from)),
                _ => library.filter(|_| rest.len() == path.len()).map(|(_, root)| *root),
            };
            let Some(next) = next else { break };
            (at, rest, is_ours) = (next, behind, true);
        }
        for (index, name) in rest.iter().enumerate() {
            // A module and an item may share a name; only the module leads on.
            let child = self.all[at].children.get(name).filter(|_| index + 1 < rest.len());
            match child.map_or_else(|| self.look_up(at, name, trail), |child| Found::Module(*child)) {
                Found::Module(next) => (at, is_ours) = (next, true),
                Found::Item(file) => return Found::Item(file),
                Found::Outside if is_ours => return Found::Item(&self.all[at].file),
                Found::Outside => return Found::Outside,
            }
        }
        Found::Module(at)
    }

    /// What a name means inside a module, an item before a module of the same name: what it defines, then what it
    /// imports by name, then what it imports whole.
    fn look_up(&self, module: usize, name: &str, trail: &mut Trail) -> Found<'_> {
        let inside = &self.all[module];
        if inside.defined.contains_key(name) {
            return Found::Item(&inside.file);
        }
        let mut found = inside.children.get(name).map_or(Found::Outside, |child| Found::Module(*child));
        if !trail.insert((module, name.to_owned())) {
            return found;
        }
        for one in inside.uses.iter().filter(|one| one.name.as_deref() == Some(name)) {
            found = found.or(self.follow(module, &one.path, trail));
        }
        for whole in inside.uses.iter().filter(|one| one.name.is_none()) {
            if found == Found::Outside
                && let Found::Module(other) = self.follow(module, &whole.path, trail)
            {
                found = self.look_up(other, name, trail);
            }
        }
        found
    }

    fn add_public(&self, module: usize, seen: &mut BTreeSet<usize>, names: &mut BTreeSet<(String, String)>) {
        if !seen.insert(module) {
            return;
        }
        let inside = &self.all[module];
        let public = inside.defined.iter().filter(|(_, is_public)| **is_public);
        names.extend(public.map(|(name, _)| (inside.file.clone(), name.clone())));
        for child in inside.children.values().filter(|child| self.all[**child].is_public) {
            self.add_public(*child, seen, names);
        }
        for one in inside.uses.iter().filter(|one| one.visibility == Sharing::Public) {
            match (self.resolve(module, &one.path), one.path.last()) {
                (Found::Module(other), _) => self.add_public(other, seen, names),
                (Found::Item(file), Some(name)) => {
                    names.insert((file.to_owned(), name.clone()));
                }
                _ => {}
            }
        }
    }
}

fn parse(path: &str, text: &str) -> Result<ModuleSource> {
    source::parse(text).map_err(|source| Error::Syntax { path: path.to_owned(), source })
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(files: &[(&str, &str)]) -> Modules {
        let tree = Tree::made_up(files);
        Modules::read(&tree, &tree.packages[0]).expect("a tree that can be read")
    }

    fn resolve(modules: &Modules, file: &str, path: &str) -> String {
        let (from, _) = modules.iter().find(|(_, module)| module.file == file).expect("the file");
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        match modules.resolve(from, &path) {
            Found::Module(number) => format!("module {}", modules.get(number).file),
            Found::Item(file) => file.to_owned(),
            Found::Outside => "outside".to_owned(),
        }
    }

    #[test]
    fn a_path_leads_through_what_others_hand_on_to_the_file_that_defines() {
        let modules = modules(&[
            ("src/lib.rs", "mod a; mod b;"),
            (
                "src/a/mod.rs",
                "mod inner; pub use self::inner::{Thing, Other as Renamed}; pub use inner::deep::*;",
            ),
            ("src/a/inner.rs", "pub struct Thing; pub enum Other { One } pub mod deep { pub fn far() {} }"),
            ("src/b.rs", "use crate::a; use super::a::Renamed;"),
        ]);
        let from_b = |path| resolve(&modules, "src/b.rs", path);
        assert_eq!(from_b("crate::a::Thing"), "src/a/inner.rs");
        assert_eq!(from_b("a::Thing::new"), "src/a/inner.rs");
        assert_eq!(from_b("Renamed::One"), "src/a/inner.rs");
        assert_eq!(from_b("a::far"), "src/a/inner.rs");
        assert_eq!(from_b("super::a"), "module src/a/mod.rs");
        assert_eq!(from_b("crate::a::made_by_a_macro"), "src/a/mod.rs");
        assert_eq!(from_b("std::fmt"), "outside");
        assert_eq!(from_b("made_up::a::Thing"), "src/a/inner.rs");
    }

    #[test]
    fn an_item_is_found_behind_a_module_of_its_name() {
        let modules = modules(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod run; pub use run::run;"),
            ("src/a/run.rs", "pub fn run() {} pub struct Run;"),
            ("src/b.rs", "use crate::a::run;"),
        ]);
        assert_eq!(resolve(&modules, "src/b.rs", "crate::a::run"), "src/a/run.rs");
        assert_eq!(resolve(&modules, "src/b.rs", "run"), "src/a/run.rs");
        assert_eq!(resolve(&modules, "src/a/mod.rs", "run::Run"), "src/a/run.rs");
    }

    #[test]
    fn imports_that_name_each_other_lead_nowhere() {
        let modules = modules(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "pub use crate::b::*;"),
            ("src/b.rs", "pub use crate::a::*;"),
        ]);
        assert_eq!(resolve(&modules, "src/a.rs", "Nothing"), "outside");
    }

    #[test]
    fn a_file_that_only_tests_reach_is_no_product() {
        let modules = modules(&[
            ("src/lib.rs", "mod a; #[cfg(test)] mod tests;"),
            ("src/a.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n}\n"),
            ("src/tests/mod.rs", "mod more;"),
            ("src/tests/more.rs", ""),
        ]);
        assert_eq!(modules.product_files(), BTreeMap::from([("src/a.rs", 3), ("src/lib.rs", 1)]));
    }

    #[test]
    fn only_what_can_be_imported_counts_as_public() {
        let modules = modules(&[
            ("src/lib.rs", "mod a; pub mod b; pub use a::Shown;"),
            ("src/a.rs", "pub struct Shown; pub struct Hidden;"),
            ("src/b.rs", "pub fn f() {} fn g() {} pub(crate) fn h() {}"),
        ]);
        assert_eq!(modules.public_names(), 2);
    }
}
