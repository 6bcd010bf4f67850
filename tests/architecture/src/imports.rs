//! The arrows between the files of a package: who names something that another file defines.
//!
//! `mod` and the `pub use` of a `mod.rs` or `lib.rs` hand names on and draw no arrow: who uses such a name gets
//! an arrow to the file that defines it. Code for tests and benches draws none. A method call draws none either:
//! what it calls is not to be seen without types.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::graph::{self, Graph};
use crate::modules::{Found, Modules};
use crate::source::Sharing;
use crate::tree::{Package, Tree, folder};

/// The arrows of one package: from the file that names to the file that defines, with the names.
#[derive(Debug, Default)]
pub struct Imports {
    /// The names that ride on each arrow.
    pub arrows: BTreeMap<(String, String), BTreeSet<String>>,
}

/// The rooms of a folder, which are its files and its subfolders, and the arrows between them.
#[derive(Debug, Default)]
pub struct Floor<'a> {
    /// How many arrows between files lead from room to room.
    pub rooms: Graph<'a>,
    /// The arrows between files, by the rooms that they tie.
    pub arrows: BTreeMap<(&'a str, &'a str), Vec<(&'a str, &'a str)>>,
}

impl Imports {
    /// Draws the arrows of a package.
    pub fn read(tree: &Tree, package: &Package) -> Result<Self> {
        Ok(Self::of(&Modules::read(tree, package)?))
    }

    /// Draws the arrows between the files of these modules.
    pub fn of(modules: &Modules) -> Self {
        let mut imports = Self::default();
        for (number, module) in modules.iter().filter(|(_, module)| !module.is_test) {
            let hands_on = module.file.ends_with("mod.rs") || module.file.ends_with("lib.rs");
            let taken = module.uses.iter().filter(|one| one.visibility == Sharing::Private || !hands_on);
            let paths = taken.filter(|one| one.name.is_some()).map(|one| &one.path).chain(&module.named);
            for path in paths {
                if let Found::Item(file) = modules.resolve(number, path)
                    && file != module.file
                {
                    let arrow = (module.file.clone(), file.to_owned());
                    imports.arrows.entry(arrow).or_default().insert(path.join("::"));
                }
            }
        }
        imports
    }

    /// The files that import each other in a circle.
    pub fn circles(&self) -> Vec<BTreeSet<&str>> {
        let mut files = Graph::new();
        for (from, to) in self.arrows.keys() {
            files.entry(from.as_str()).or_default().insert(to.as_str(), 1);
        }
        graph::circles(&files)
    }

    /// The floors of the package, by folder: an arrow stands on the floor of the innermost folder that both of its
    /// files lie in.
    pub fn floors(&self) -> BTreeMap<&str, Floor<'_>> {
        let folders: BTreeSet<&str> =
            self.arrows.keys().flat_map(|(from, to)| [folder(from), folder(to)]).collect();
        let mut floors: BTreeMap<&str, Floor> = BTreeMap::new();
        for (from, to) in self.arrows.keys() {
            let (around, from_room, to_room) = rooms(&folders, from, to);
            if from_room != to_room {
                let floor = floors.entry(around).or_default();
                *floor.rooms.entry(from_room).or_default().entry(to_room).or_default() += 1;
                floor.arrows.entry((from_room, to_room)).or_default().push((from, to));
            }
        }
        floors
    }

    /// The arrows that run back up, on whatever floor.
    pub fn backward(&self) -> Vec<(&str, &str)> {
        let mut backward = Vec::new();
        for floor in self.floors().values() {
            for rooms in graph::backward(&floor.rooms) {
                backward.extend(floor.arrows.get(&rooms).into_iter().flatten());
            }
        }
        backward
    }
}

/// The innermost folder around two files, and the room in it that each of them is or lies in. A file `a.rs` beside
/// a folder `a` is the head of that room.
fn rooms<'a>(folders: &BTreeSet<&str>, from: &'a str, to: &'a str) -> (&'a str, &'a str, &'a str) {
    let slashes =
        from.match_indices('/').map(|(at, _)| at).take_while(|at| to.get(..=*at) == from.get(..=*at));
    let around = slashes.last().unwrap_or(0);
    let room = |path: &'a str| {
        let inside = if around == 0 { path } else { &path[around + 1..] };
        let end = path.len() - inside.len() + inside.find('/').unwrap_or(inside.len());
        let room = &path[..end];
        room.strip_suffix(".rs").filter(|name| folders.contains(name)).unwrap_or(room)
    };
    (&from[..around], room(from), room(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let tree = Tree::made_up(files);
        Imports::read(&tree, &tree.packages[0]).expect("a tree that can be read")
    }

    fn arrows(imports: &Imports) -> Vec<(&str, &str)> {
        imports.arrows.keys().map(|(from, to)| (from.as_str(), to.as_str())).collect()
    }

    #[test]
    fn handing_a_name_on_draws_no_arrow_but_using_it_does() {
        let imports = imports(&[
            ("src/lib.rs", "mod a; mod b; pub use a::Thing; mod c;"),
            ("src/a/mod.rs", "mod inner; pub use inner::Thing; pub(crate) use inner::helper;"),
            ("src/a/inner.rs", "pub struct Thing; pub fn helper() {}"),
            ("src/b.rs", "use crate::a::Thing; #[cfg(test)] mod tests { use crate::c::C; }"),
            ("src/c/mod.rs", "mod d; use self::d::D; pub struct C;"),
            ("src/c/d.rs", "use super::*; pub struct D(pub C);"),
        ]);
        let expected =
            [("src/b.rs", "src/a/inner.rs"), ("src/c/d.rs", "src/c/mod.rs"), ("src/c/mod.rs", "src/c/d.rs")];
        assert_eq!(arrows(&imports), expected);
        assert_eq!(imports.circles(), [BTreeSet::from(["src/c/d.rs", "src/c/mod.rs"])]);
    }

    #[test]
    fn an_arrow_stands_on_the_floor_of_the_folder_around_both_files() {
        let imports = imports(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "pub mod low; pub mod high;"),
            ("src/a/low.rs", "pub struct Low;"),
            ("src/a/high.rs", "use super::low::Low; use crate::b::B;"),
            ("src/b.rs", "use crate::a::low::Low; pub struct B;"),
        ]);
        let floors = imports.floors();
        assert_eq!(floors.keys().copied().collect::<Vec<_>>(), ["src", "src/a"]);
        assert_eq!(graph::circles(&floors["src"].rooms), [BTreeSet::from(["src/a", "src/b.rs"])]);
        assert!(imports.circles().is_empty(), "no file is in a circle, but its folders are");
        assert_eq!(imports.backward().len(), 1);
    }

    #[test]
    fn a_file_beside_a_folder_of_its_name_is_its_head() {
        let imports = imports(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "mod inner; use crate::b::B; pub struct A;"),
            ("src/a/inner.rs", "use super::A; use crate::b::B;"),
            ("src/b.rs", "pub struct B;"),
        ]);
        let rooms: Vec<_> = imports.floors()["src"].rooms.keys().copied().collect();
        assert_eq!(rooms, ["src/a"]);
    }
}
