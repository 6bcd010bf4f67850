//! Comma-separated values (RFC 4180).

use std::io::{self, Write};

use crate::client::receiver::{Column, Receiver};
use crate::output::messages::print_notice;
use crate::report::Report;

/// Writes each row as it comes.
pub(crate) struct CsvOutput<W> {
    out: W,
}

impl<W: Write> CsvOutput<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    fn line<'a>(&mut self, fields: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
        for (index, field) in fields.enumerate() {
            if index > 0 {
                self.out.write_all(b",")?;
            }
            match field {
                // An empty string is quoted, so that it differs from NULL.
                Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                    write!(self.out, "\"{}\"", text.replace('"', "\"\""))?;
                }
                Some(text) => self.out.write_all(text.as_bytes())?,
                None => {}
            }
        }
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Receiver for CsvOutput<W> {
    fn columns(&mut self, columns: &[Column]) -> io::Result<()> {
        self.line(columns.iter().map(|column| Some(column.name.as_str())))
    }

    fn row(&mut self, values: Vec<Option<String>>) -> io::Result<()> {
        self.line(values.iter().map(Option::as_deref))
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn complete(&mut self, _tag: &str) -> io::Result<()> {
        self.out.flush()
    }

    fn notice(&mut self, notice: &Report) -> io::Result<()> {
        print_notice(notice)
    }
}

#[cfg(test)]
mod tests {
    use postgres_types::Type;

    use super::*;

    #[test]
    fn quotes_and_line_breaks_are_escaped_and_null_is_not_the_empty_string() {
        let mut csv = CsvOutput::new(Vec::new());
        let columns = ["a,b", "c"].map(|name| Column { name: name.into(), data_type: Type::TEXT });
        csv.columns(&columns).unwrap();
        csv.row(vec![Some("say \"hi\"\n".into()), None]).unwrap();
        csv.row(vec![Some(String::new()), Some("1".into())]).unwrap();
        assert_eq!(String::from_utf8(csv.out).unwrap(), "\"a,b\",c\n\"say \"\"hi\"\"\n\",\n\"\",1\n");
    }
}
