//! Imports point one way.

use std::collections::BTreeSet;

use crate::graph;
use crate::imports::Imports;

/// How many names of an arrow a finding shows.
const SHOWN_NAMES: usize = 3;

/// Files of a crate that import each other in a circle.
pub fn circles_of_files(imports: &Imports) -> Vec<String> {
    let name = |circle: &BTreeSet<&str>| {
        let inside = |file: &str| circle.contains(file);
        let arrows = imports.arrows.iter().filter(|((from, to), _)| inside(from) && inside(to));
        let ties: Vec<String> = arrows.map(|((from, to), names)| tie(from, to, names)).collect();
        format!("{} files in a circle:\n    {}", circle.len(), ties.join("\n    "))
    };
    imports.circles().iter().map(name).collect()
}

/// Rooms of a folder, which are its files and subfolders, that import each other in a circle: with them no order
/// of the rooms has all arrows pointing down.
pub fn circles_of_rooms(imports: &Imports) -> Vec<String> {
    let mut findings = Vec::new();
    for (folder, floor) in imports.floors() {
        for circle in graph::circles(&floor.rooms) {
            let rooms: Vec<&str> = circle.iter().copied().collect();
            findings
                .push(format!("{folder} has a circle of {}; these arrows run back up:", rooms.join(", ")));
        }
        for rooms in graph::backward(&floor.rooms) {
            for (from, to) in &floor.arrows[&rooms] {
                let arrow = ((*from).to_owned(), (*to).to_owned());
                let names = imports.arrows.get(&arrow).into_iter().flatten();
                findings.push(format!("  {}", tie(from, to, names)));
            }
        }
    }
    findings
}

fn tie<'a>(from: &str, to: &str, names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.into_iter().take(SHOWN_NAMES).map(String::as_str).collect();
    format!("{from} -> {to} ({})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let tree = Tree::made_up(files);
        Imports::read(&tree, &tree.packages[0]).expect("a tree that can be read")
    }

    #[test]
    fn a_circle_of_files_is_found() {
        let broken = imports(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "pub struct A; use crate::b::B;"),
            ("src/b.rs", "pub struct B; fn f(_: &crate::a::A) {}"),
        ]);
        let findings = circles_of_files(&broken);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("src/b.rs -> src/a.rs (crate::a::A)"), "{findings:?}");
    }

    #[test]
    fn a_lower_room_that_imports_a_higher_one_is_found() {
        let broken = imports(&[
            ("src/lib.rs", "mod low; mod high;"),
            ("src/low/mod.rs", "pub mod base; pub mod upper;"),
            ("src/low/base.rs", "pub struct Base;"),
            ("src/low/upper.rs", "use crate::high::High;"),
            ("src/high.rs", "use crate::low::base::Base; pub struct High(Base);"),
        ]);
        assert!(circles_of_files(&broken).is_empty());
        let findings = circles_of_rooms(&broken);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("src has a circle of src/high.rs, src/low"), "{findings:?}");
    }
}
