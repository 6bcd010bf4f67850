//! `statistics`: counters since the start.

use hyprstream_engine::StatisticRow;

use crate::tables::table::{Table, listed};

pub(super) static STATISTICS: Table<StatisticRow> = Table {
    name: "statistics",
    key: None,
    columns: |columns| columns.text("name", |r| Some(&r.name)).double("value", |r| Some(r.value as f64)),
    rows: |read| Ok(listed(read.engine.statistics())),
};
