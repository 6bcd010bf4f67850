//! `hyprstream salvage`: what is whole of a damaged data directory, in a new one.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use hyprstream_engine::{DamageRow, Engine, EngineOptions, Error, SalvagedStore};

use crate::cli::terminal::exit::{Exit, fail};
use crate::config::options::Config;

/// Where the new data directory is made.
#[derive(Debug, Args)]
pub(super) struct SalvageArguments {
    /// The new data directory, which must not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn run(config: &Config, arguments: &SalvageArguments) -> Exit {
    match hyprstream_engine::salvage(&config.data_dir, &arguments.to) {
        Ok(mut salvaged) => match damaged_tables(arguments).and_then(|tables| {
            salvaged.lost.extend(tables);
            print(&salvaged).map_err(|error| error.to_string())
        }) {
            Ok(()) => Exit::Success,
            Err(error) => fail(&error),
        },
        Err(error @ Error::Locked { .. }) => {
            eprintln!("hyprstream: {error}");
            Exit::Connection
        }
        Err(error) => fail(&error),
    }
}

/// Of the tables' files, which are copied as they are, those whose rows cannot be read.
fn damaged_tables(arguments: &SalvageArguments) -> Result<Vec<DamageRow>, String> {
    let engine = Engine::open(EngineOptions::new(&arguments.to)).map_err(|error| error.to_string())?;
    hyprstream_sql::damaged_tables(&engine).map_err(|error| error.to_string())
}

/// What is lost goes to stdout, a line each; the counts to stderr.
fn print(salvaged: &SalvagedStore) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    for lost in &salvaged.lost {
        writeln!(output, "{}", line(lost))?;
    }
    output.flush()?;
    eprintln!(
        "kept {} versions of adapters and {} recorded answers; lost {}",
        salvaged.versions.len(),
        salvaged.records,
        match salvaged.lost.len() {
            0 => "nothing".to_owned(),
            count => format!("{count} parts"),
        }
    );
    Ok(())
}

fn line(lost: &DamageRow) -> String {
    let DamageRow { file, offset, bytes, what, reason, .. } = lost;
    match bytes {
        Some(bytes) => format!("lost {what} ({file}, {bytes} bytes at byte {offset}): {reason}"),
        None if *offset > 0 => format!("lost {what} ({file} at byte {offset}): {reason}"),
        None => format!("lost {what} ({file}): {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_lost_where_and_why() {
        let mut lost = DamageRow {
            file: "grid/grid.data".into(),
            offset: 8192,
            bytes: Some(64),
            what: "chunk 0 of a@1/0/q_proj/A".into(),
            adapter: None,
            version: None,
            layer: None,
            module: None,
            matrix: None,
            reason: "its checksum does not match".into(),
        };
        let text = "lost chunk 0 of a@1/0/q_proj/A (grid/grid.data, 64 bytes at byte 8192): its checksum does not match";
        assert_eq!(line(&lost), text);
        (lost.bytes, lost.offset, lost.what) = (None, 0, "version a@1".into());
        let text = "lost version a@1 (grid/grid.data): its checksum does not match";
        assert_eq!(line(&lost), text);
    }
}
