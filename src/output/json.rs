//! A JSON array of objects for each statement that returns rows.

use std::io::{self, Write};

use postgres_types::Type;
use serde_json::Value;

use crate::client::receiver::{Column, Receiver};
use crate::output::messages::print_notice;
use crate::report::Report;
use crate::values::array_literal;
use crate::values::types::element_of;

/// Writes each row as it comes.
pub(crate) struct JsonOutput<W: Write> {
    out: W,
    columns: Option<Vec<Column>>,
    rows: u64,
}

impl<W: Write> JsonOutput<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, columns: None, rows: 0 }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.columns.take().is_some() {
            self.out.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }
}

/// What a result's error leaves open is closed, so that the output stays an array.
impl<W: Write> Drop for JsonOutput<W> {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure here.
        let _ = self.end();
    }
}

impl<W: Write> Receiver for JsonOutput<W> {
    fn columns(&mut self, columns: &[Column]) -> io::Result<()> {
        self.end()?;
        self.columns = Some(columns.to_vec());
        self.rows = 0;
        self.out.write_all(b"[")
    }

    fn row(&mut self, values: Vec<Option<String>>) -> io::Result<()> {
        self.out.write_all(if self.rows == 0 { b"\n{" } else { b",\n{" })?;
        self.rows += 1;
        let columns = self.columns.as_deref().unwrap_or_default();
        for (index, (column, text)) in columns.iter().zip(values).enumerate() {
            if index > 0 {
                self.out.write_all(b",")?;
            }
            let value = text.map_or(Value::Null, |text| value(text, &column.data_type));
            write!(self.out, "{}:{value}", Value::from(column.name.as_str()))?;
        }
        self.out.write_all(b"}")
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn complete(&mut self, _tag: &str) -> io::Result<()> {
        self.end()
    }

    fn notice(&mut self, notice: &Report) -> io::Result<()> {
        print_notice(notice)
    }
}

/// A value from its text; what JSON has no notation for (NaN, dates) stays a string.
fn value(text: String, data_type: &Type) -> Value {
    match *data_type {
        Type::BOOL => Value::from(text == "t"),
        Type::INT2
        | Type::INT4
        | Type::INT8
        | Type::OID
        | Type::FLOAT4
        | Type::FLOAT8
        | Type::NUMERIC
        | Type::JSON => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        _ => match element_of(data_type).zip(array_literal::items(&text)) {
            Some((element, items)) => {
                items.into_iter().map(|item| item.map_or(Value::Null, |item| value(item, element))).collect()
            }
            None => Value::String(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let column = |name: &str, data_type| Column { name: name.into(), data_type };
        let mut json = JsonOutput::new(Vec::new());
        json.columns(&[
            column("n", Type::INT4),
            column("t", Type::TEXT),
            column("e", Type::FLOAT4_ARRAY),
            column("j", Type::JSON),
        ])
        .unwrap();
        json.row(vec![
            Some("7".into()),
            Some("7".into()),
            Some("{0.5,NULL}".into()),
            Some("{\"a\":1}".into()),
        ])
        .unwrap();
        json.row(vec![None; 4]).unwrap();
        json.complete("SELECT 2").unwrap();
        let text = String::from_utf8(std::mem::take(&mut json.out)).unwrap();
        assert_eq!(
            text,
            "[\n{\"n\":7,\"t\":\"7\",\"e\":[0.5,null],\"j\":{\"a\":1}},\n{\"n\":null,\"t\":null,\"e\":null,\"j\":null}\n]\n"
        );
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        let mut json = JsonOutput::new(Vec::new());
        json.columns(&[]).unwrap();
        json.complete("SELECT 0").unwrap();
        assert_eq!(json.out, b"[]\n");
    }
}
