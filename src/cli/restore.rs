//! `hyprstream restore`: a data directory from a backup, every byte of which is checked.

use std::path::PathBuf;

use clap::Args;

use crate::cli::terminal::exit::{Exit, fail};
use crate::config::options::Config;

/// Where the backup is.
#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The directory that `hyprstream backup` made
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
}

pub(super) fn run(config: &Config, arguments: &RestoreArguments) -> Exit {
    match hyprstream_engine::restore(&arguments.from, &config.data_dir) {
        Ok(restored) => {
            println!(
                "{} has {} files with {} bytes of the backup {}",
                config.data_dir.display(),
                restored.files,
                restored.bytes,
                arguments.from.display()
            );
            Exit::Success
        }
        Err(error) => fail(&error),
    }
}
