//! The recipe of the bundled model.
fn main() {}
