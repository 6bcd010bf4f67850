//! `statistics`: counters since the start.

use hyprstream_engine::{Result, StatisticRow};

use super::columns::{Column, double, text};
use super::source::{Context, Rows, Source};

/// The table.
#[derive(Debug)]
pub(super) struct Statistics;

impl Source for Statistics {
    type Row = StatisticRow;

    const NAME: &'static str = "statistics";

    fn columns() -> Vec<Column<StatisticRow>> {
        vec![
            text("name", |r: &StatisticRow| Some(&r.name)),
            double("value", |r: &StatisticRow| Some(r.value)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<StatisticRow>> {
        Ok(Box::new(context.engine.statistics().into_iter().map(Ok)))
    }
}
