//! What the environment of a test run says: the program, the repository, and counts that it can raise.

/// The repository's root.
pub fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program under test: the one that cargo built beside this test, unless `HYPRSTREAM_PROGRAM` names another.
pub fn program() -> std::path::PathBuf {
    std::env::var_os("HYPRSTREAM_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_hyprstream").into(), Into::into)
}

/// A count that the environment may set; `HYPRSTREAM_FULL=1` picks the full one.
pub fn count(variable: &str, reduced: usize, full: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a whole number")),
        Err(_) if is_full() => full,
        Err(_) => reduced,
    }
}

/// Whether the heavy tests run at the counts that are promised rather than at the quick ones.
pub fn is_full() -> bool {
    std::env::var("HYPRSTREAM_FULL").is_ok_and(|value| value == "1")
}
