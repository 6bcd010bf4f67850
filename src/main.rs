//! The hyprstream program.

use std::process::ExitCode;

fn main() -> ExitCode {
    hyprstream::run()
}
