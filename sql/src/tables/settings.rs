//! `settings`: the settings of the session that asks.

use hyprstream_engine::{Error, Result};

use super::columns::{Column, text};
use super::source::{Context, Rows, Source};
use crate::settings::{SettingRow, Variables};

/// The table.
#[derive(Debug)]
pub(super) struct Settings;

impl Source for Settings {
    type Row = SettingRow;

    const NAME: &'static str = "settings";

    fn columns() -> Vec<Column<SettingRow>> {
        vec![
            text("name", |r: &SettingRow| Some(&r.name)),
            text("value", |r: &SettingRow| Some(&r.value)),
            text("default", |r: &SettingRow| Some(&r.default)),
            text("description", |r: &SettingRow| Some(&r.description)),
        ]
    }

    fn rows(context: &Context) -> Result<Rows<SettingRow>> {
        let rows = match &context.variables {
            Some(variables) => variables.rows(),
            None => Variables::new(context.engine.clone()).rows(),
        };
        let rows = rows.map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Box::new(rows.into_iter().map(Ok)))
    }
}
