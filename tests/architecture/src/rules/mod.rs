//! The rules of the house. Each takes a tree, or what was read of one, and names everything that breaks it.

pub mod files;
pub mod imports;
pub mod layers;
