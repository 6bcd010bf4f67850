//! The hyprstream program.
fn main() {}
