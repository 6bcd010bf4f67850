//! Reads the sources of every crate of the workspace as text, compiles nothing of them, and tells two things:
//! their figures (`figures`) and where they break a rule of the house (`rules`).
//!
//! A tree of files and packages (`tree`) is parsed file by file (`source`) and joined to the modules of each
//! package (`modules`), in which a path leads to the file that defines what it names. That gives the arrows
//! between files (`imports`), and a graph of them its circles and its floors (`graph`).

pub mod error;
pub mod figures;
pub mod graph;
pub mod imports;
pub mod modules;
pub mod rules;
pub mod source;
pub mod tree;
