//! The files of a checkout as git knows them, and its packages as cargo knows them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::error::{Error, Result};

/// The kinds of files that are read; a weight or an image holds no rule.
const TEXT: [&str; 8] = ["rs", "md", "toml", "sql", "slt", "py", "json", "yml"];

/// A checkout: its text files and the packages of its workspace.
#[derive(Debug, Default)]
pub struct Tree {
    /// The text of each file, by its path from the root.
    pub files: BTreeMap<String, String>,
    /// The packages of the workspace; those of workspaces inside it are files of the package around them.
    pub packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder from the root, empty for the root itself.
    pub directory: String,
    /// What is built from it.
    pub targets: Vec<Target>,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// The dependencies that its manifest says are used although no source names them.
    pub used_unnamed: Vec<String>,
}

/// What is built from a package.
#[derive(Debug)]
pub struct Target {
    /// What it is for.
    pub kind: TargetKind,
    /// The name by which Rust knows it.
    pub name: String,
    /// The file that it begins in.
    pub file: String,
}

/// What a target is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A library.
    Library,
    /// A program or a build script.
    Program,
    /// Tests that are compiled apart.
    Test,
    /// A benchmark.
    Bench,
}

/// A dependency as a manifest names it.
#[derive(Debug)]
pub struct Dependency {
    /// The package's name.
    pub package: String,
    /// The name by which sources call it.
    pub name: String,
    /// Whether tests and benches alone have it.
    pub is_dev: bool,
}

impl Tree {
    /// Reads the checkout at `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let listed = output(root, "git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
        let mut files = BTreeMap::new();
        for path in listed.lines().filter(|path| TEXT.contains(&extension(path))) {
            let on_disk = root.join(path);
            if on_disk.is_file() {
                let text = fs::read_to_string(on_disk)
                    .map_err(|source| Error::File { path: path.to_owned(), source })?;
                files.insert(path.to_owned(), text);
            }
        }
        Ok(Self { files, packages: packages(root)? })
    }

    /// The files with this extension.
    pub fn with_extension(&self, wanted: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.files.iter().filter(move |(path, _)| extension(path) == wanted);
        all.map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The package whose folder a file lies in, the innermost where folders of packages lie in each other.
    pub fn package_of(&self, path: &str) -> Option<&Package> {
        let around = self.packages.iter().filter(|package| package.holds(path));
        around.max_by_key(|package| package.directory.len())
    }

    /// The files of a package.
    pub fn sources_of<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.with_extension("rs");
        all.filter(|(path, _)| self.package_of(path).is_some_and(|one| one.name == package.name))
    }
}

impl Package {
    fn holds(&self, path: &str) -> bool {
        self.directory.is_empty()
            || path.strip_prefix(&self.directory).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The folder that a file lies in.
pub fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path's extension, empty where it has none.
fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let failed =
        |reason: String| Error::Command { command: format!("{program} {}", arguments.join(" ")), reason };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    // Cargo names itself to what it runs.
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = output(root, &cargo, &["metadata", "--format-version", "1", "--no-deps", "--offline"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| Error::Command {
        command: "cargo metadata".to_owned(),
        reason: error.to_string(),
    })?;
    let root = text(&metadata["workspace_root"]);
    Ok(list(&metadata["packages"]).map(|package| read_package(root, package)).collect())
}

fn read_package(root: &str, package: &Value) -> Package {
    let from_root = |path: &str| path.strip_prefix(root).unwrap_or(path).trim_start_matches('/').to_owned();
    let manifest = from_root(text(&package["manifest_path"]));
    let target = |target: &Value| Target {
        kind: match target["kind"][0].as_str() {
            Some("bin" | "custom-build") => TargetKind::Program,
            Some("test" | "example") => TargetKind::Test,
            Some("bench") => TargetKind::Bench,
            _ => TargetKind::Library,
        },
        name: text(&target["name"]).replace('-', "_"),
        file: from_root(text(&target["src_path"])),
    };
    let dependency = |dependency: &Value| {
        let package = text(&dependency["name"]);
        Dependency {
            name: dependency["rename"].as_str().unwrap_or(package).replace('-', "_"),
            package: package.to_owned(),
            is_dev: dependency["kind"] == "dev",
        }
    };
    let used_unnamed = &package["metadata"]["cargo-machete"]["ignored"];
    Package {
        name: text(&package["name"]).to_owned(),
        directory: manifest.strip_suffix("Cargo.toml").unwrap_or_default().trim_end_matches('/').to_owned(),
        targets: list(&package["targets"]).map(target).collect(),
        dependencies: list(&package["dependencies"]).map(dependency).collect(),
        used_unnamed: list(used_unnamed).map(|name| text(name).to_owned()).collect(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
impl Tree {
    /// A tree that exists in a test alone: one package, `made_up`, whose library is `src/lib.rs`.
    pub(crate) fn made_up(files: &[(&str, &str)]) -> Self {
        let library =
            Target { kind: TargetKind::Library, name: "made_up".to_owned(), file: "src/lib.rs".to_owned() };
        let package = Package { name: "made-up".to_owned(), targets: vec![library], ..Package::default() };
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { files, packages: vec![package] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        let package = |name: &str, directory: &str| Package {
            name: name.to_owned(),
            directory: directory.to_owned(),
            ..Package::default()
        };
        let packages =
            vec![package("program", ""), package("models", "models"), package("inner", "models/inner")];
        let tree = Tree { files: BTreeMap::new(), packages };
        let owner = |path| tree.package_of(path).map(|package| package.name.as_str());
        assert_eq!(owner("src/lib.rs"), Some("program"));
        assert_eq!(owner("models/src/lib.rs"), Some("models"));
        assert_eq!(owner("models/inner/src/lib.rs"), Some("inner"));
        assert_eq!(owner("models_of_others/lib.rs"), Some("program"));
    }
}
