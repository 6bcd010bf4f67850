//! `grid_statistics`: what the versions of adapters hold in the weight store, and the store as a whole.

use hyprstream_engine::GridStatisticsRow;

use crate::tables::table::Table;

pub(super) static GRID_STATISTICS: Table<GridStatisticsRow> = Table {
    name: "grid_statistics",
    key: None,
    columns: |columns| {
        columns
            .text("adapter", |r| r.adapter.as_deref())
            .text("version", |r| r.version.as_deref())
            .boolean("published", |r| r.published)
            .bigint("matrices", |r| Some(r.matrices))
            .bigint("elements", |r| Some(r.elements))
            .bigint("active_values", |r| Some(r.active_values))
            .double("density", |r| Some(r.density()))
            .bigint("chunks", |r| Some(r.chunks))
            .bigint("patches", |r| Some(r.patches))
            .bigint("bytes", |r| Some(r.bytes))
            .bigint("shared_bytes", |r| Some(r.shared_bytes))
            .double("sharing", |r| Some(r.sharing()))
            .bigint("file_bytes", |r| r.file_bytes)
            .bigint("wal_bytes", |r| r.wal_bytes)
    },
    rows: |read| read.engine.grid_statistics(read.scan.bounds().text("adapter")),
};
