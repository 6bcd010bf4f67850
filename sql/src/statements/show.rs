//! SHOW.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::Ident;

use crate::error::{Error, Result};
use crate::session::core::Session;
use crate::settings::SettingRow;
use crate::statement::{Outcome, Prepared};

pub(super) fn prepare(session: &Session, variable: &[Ident]) -> Result<Prepared> {
    let schema = show_rows(session, variable)?.schema();
    Ok(Prepared { schema, parameter_types: Vec::new(), is_query: true })
}

pub(super) fn show(session: &Session, variable: &[Ident]) -> Result<Outcome> {
    let batch = show_rows(session, variable)?;
    Ok(Outcome::batch("SHOW", batch))
}

fn show_rows(session: &Session, variable: &[Ident]) -> Result<RecordBatch> {
    let name = shown_name(variable);
    if name == "all" {
        let rows = session.variables().rows()?;
        let column = |value: fn(&SettingRow) -> &String| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(value(row).as_str())).collect::<StringArray>())
        };
        let columns = vec![column(|r| &r.name), column(|r| &r.value), column(|r| &r.description)];
        return batch(&texts(&["name", "setting", "description"]), columns);
    }
    let value = session.variables().get(&name)?;
    batch(&texts(&[&shown_as(&name)]), vec![Arc::new(StringArray::from(vec![value]))])
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::internal)
}

fn texts(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(
        names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>(),
    ))
}

/// `SHOW hyprstream.default_model`, `SHOW TIME ZONE`, `SHOW TRANSACTION ISOLATION LEVEL`.
fn shown_name(variable: &[Ident]) -> String {
    let words: Vec<String> = variable.iter().map(|ident| ident.value.to_lowercase()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        _ => words.join("."),
    }
}

/// Postgres writes these two with capitals.
fn shown_as(name: &str) -> String {
    match name {
        "timezone" => "TimeZone".to_owned(),
        "datestyle" => "DateStyle".to_owned(),
        other => other.to_owned(),
    }
}
