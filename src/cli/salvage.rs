//! `hyprstream salvage`: what is whole of a damaged data directory, in a new one.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use hyprstream_engine::{DamageRow, Error, SalvagedStore};
use hyprstream_sql::SalvagedTable;

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
    let salvaged = match hyprstream_engine::salvage(&config.data_dir, &arguments.to) {
        Ok(salvaged) => salvaged,
        Err(error @ Error::Locked { .. }) => {
            eprintln!("hyprstream: {error}");
            return Exit::Connection;
        }
        Err(error) => return fail(&error),
    };
    let tables = match hyprstream_sql::salvage_tables(&config.data_dir, &arguments.to) {
        Ok(tables) => tables,
        Err(error) => return fail(&error),
    };
    match print(&salvaged, &tables) {
        Err(error) => fail(&error),
        Ok(0) => Exit::Success,
        Ok(_) => Exit::Fatal,
    }
}

/// A line for each table and for each other thing that is lost goes to stdout, the counts to stderr. Returns how much is
/// lost.
fn print(salvaged: &SalvagedStore, tables: &[SalvagedTable]) -> std::io::Result<usize> {
    let mut output = std::io::stdout().lock();
    for table in tables {
        writeln!(output, "{}", table_line(table))?;
    }
    for lost in &salvaged.lost {
        writeln!(output, "{}", line(lost))?;
    }
    output.flush()?;
    let lost = salvaged.lost.len() + tables.iter().filter(|table| table.rows_lost != Some(0)).count();
    eprintln!(
        "kept {} versions of adapters and {} recorded answers; lost {}",
        salvaged.versions.len(),
        salvaged.records,
        match lost {
            0 => "nothing".to_owned(),
            1 => "1 part".to_owned(),
            count => format!("{count} parts"),
        }
    );
    Ok(lost)
}

fn table_line(table: &SalvagedTable) -> String {
    let SalvagedTable { name, rows_kept, rows_lost, reason } = table;
    let lost = match rows_lost {
        Some(0) => "none".to_owned(),
        Some(rows) => rows.to_string(),
        None => "an unknown number".to_owned(),
    };
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("table {name}: kept {rows_kept} rows, lost {lost}{reason}")
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

    #[test]
    fn a_tables_line_says_how_many_rows_it_kept_and_lost() {
        let mut table =
            SalvagedTable { name: "t".into(), rows_kept: 5, rows_lost: Some(0), ..SalvagedTable::default() };
        assert_eq!(table_line(&table), "table t: kept 5 rows, lost none");
        (table.rows_lost, table.reason) = (Some(2), Some("a.parquet is too short".into()));
        assert_eq!(table_line(&table), "table t: kept 5 rows, lost 2: a.parquet is too short");
        table.rows_lost = None;
        assert_eq!(
            table_line(&table),
            "table t: kept 5 rows, lost an unknown number: a.parquet is too short"
        );
    }
}
