//! `settings`: the settings of the session that asks.

use std::sync::Arc;

use hyprstream_engine::Error;

use crate::settings::{SettingRow, Variables};
use crate::tables::table::{Table, listed};

pub(super) static SETTINGS: Table<SettingRow> = Table {
    name: "settings",
    key: None,
    columns: |columns| {
        columns
            .text("name", |r| Some(&r.name))
            .text("value", |r| Some(&r.value))
            .text("default", |r| Some(&r.default))
            .text("description", |r| Some(&r.description))
    },
    rows: |read| {
        let rows = match &read.variables {
            Some(variables) => variables.rows(),
            None => Variables::new(Arc::clone(read.engine)).rows(),
        };
        let rows = rows.map_err(|error| Error::Internal(error.to_string()))?;
        Ok(listed(rows))
    },
};
