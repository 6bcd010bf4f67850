//! `grid_statistics`: what the versions of adapters hold in the weight store, and the store as a whole.

use hyprstream_engine::{GridStatisticsRow, Result};

use super::columns::{Column, bigint, boolean, double, text};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct GridStatistics;

impl Source for GridStatistics {
    type Row = GridStatisticsRow;

    const NAME: &'static str = "grid_statistics";

    fn columns() -> Vec<Column<GridStatisticsRow>> {
        type Row = GridStatisticsRow;
        vec![
            text("adapter", |r: &Row| r.adapter.as_deref()),
            text("version", |r: &Row| r.version.as_deref()),
            boolean("published", |r: &Row| r.published),
            bigint("matrices", |r: &Row| Some(r.matrices as i64)),
            bigint("elements", |r: &Row| Some(r.elements as i64)),
            bigint("active_values", |r: &Row| Some(r.active_values as i64)),
            double("density", |r: &Row| Some(r.density())),
            bigint("chunks", |r: &Row| Some(r.chunks as i64)),
            bigint("patches", |r: &Row| Some(r.patches as i64)),
            bigint("bytes", |r: &Row| Some(r.bytes as i64)),
            bigint("shared_bytes", |r: &Row| Some(r.shared_bytes as i64)),
            double("sharing", |r: &Row| Some(r.sharing())),
            bigint("file_bytes", |r: &Row| r.file_bytes.map(|bytes| bytes as i64)),
            bigint("wal_bytes", |r: &Row| r.wal_bytes.map(|bytes| bytes as i64)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<GridStatisticsRow>> {
        context.engine.grid_statistics(context.narrow.text("adapter"))
    }
}
