//! Aligned columns as psql prints them.
//!
//! Rows are held back for a moment so that the columns fit them. Where rows come slowly, as tokens and
//! training steps do, the header is printed after that moment and each further row as it comes.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use postgres_types::Type;
use unicode_width::UnicodeWidthStr;

use crate::client::receiver::{Column, Receiver};
use crate::output::messages::print_notice;
use crate::report::Report;

/// How long and how many rows are held back.
const HOLD: Duration = Duration::from_millis(300);
const HOLD_ROWS: usize = 5_000;

/// How a row is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One line a row.
    Aligned,
    /// One line a column, for looking at single rows.
    Expanded,
}

/// Writes tables, the rows' count and the tags of other statements.
pub(crate) struct TableOutput<W> {
    out: W,
    layout: Layout,
    result: Option<Result>,
    /// The rows of the last result that were written.
    rows: u64,
}

struct Result {
    columns: Vec<Column>,
    held: Vec<Vec<Option<String>>>,
    since: Instant,
    /// The columns' widths, once they are settled.
    widths: Option<Vec<usize>>,
}

impl<W: Write> TableOutput<W> {
    pub(crate) fn new(out: W, layout: Layout) -> Self {
        Self { out, layout, result: None, rows: 0 }
    }

    /// How many rows of the last result were written.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Settles the widths and writes what was held back.
    fn release(&mut self) -> io::Result<()> {
        let Some(result) = &mut self.result else {
            return Ok(());
        };
        let held = std::mem::take(&mut result.held);
        if result.widths.is_none() && self.layout == Layout::Aligned {
            let widths = widths(&result.columns, &held);
            write_header(&mut self.out, &result.columns, &widths)?;
            result.widths = Some(widths);
        }
        for row in held {
            self.rows += 1;
            match &result.widths {
                Some(widths) => write_row(&mut self.out, &result.columns, widths, &row)?,
                None => write_record(&mut self.out, &result.columns, self.rows, &row)?,
            }
        }
        Ok(())
    }
}

impl<W: Write> Receiver for TableOutput<W> {
    fn columns(&mut self, columns: &[Column]) -> io::Result<()> {
        self.result =
            Some(Result { columns: columns.to_vec(), held: Vec::new(), since: Instant::now(), widths: None });
        self.rows = 0;
        Ok(())
    }

    fn row(&mut self, values: Vec<Option<String>>) -> io::Result<()> {
        let Some(result) = &mut self.result else {
            return Ok(());
        };
        result.held.push(values);
        if result.widths.is_some() {
            self.release()?;
            // Rows that come one by one are to be seen one by one.
            return self.out.flush();
        }
        if result.since.elapsed() > HOLD || result.held.len() >= HOLD_ROWS {
            self.release()?;
        }
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        if self.result.as_ref().is_some_and(|result| !result.held.is_empty() && result.since.elapsed() > HOLD)
        {
            self.release()?;
        }
        self.out.flush()
    }

    fn complete(&mut self, tag: &str) -> io::Result<()> {
        self.release()?;
        match self.result.take() {
            Some(_) if self.layout == Layout::Aligned => {
                let plural = if self.rows == 1 { "row" } else { "rows" };
                writeln!(self.out, "({} {plural})\n", self.rows)?;
            }
            Some(_) => {}
            None => writeln!(self.out, "{tag}")?,
        }
        self.out.flush()
    }

    fn notice(&mut self, notice: &Report) -> io::Result<()> {
        self.out.flush()?;
        print_notice(notice)
    }
}

/// What psql shows of a value: tabs and control characters would break the columns.
fn shown(value: Option<&String>) -> String {
    let text = value.map(String::as_str).unwrap_or_default();
    text.replace('\r', "\\r").replace('\t', "\\t")
}

fn widths(columns: &[Column], rows: &[Vec<Option<String>>]) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.name.width()).collect();
    for row in rows {
        for (width, value) in widths.iter_mut().zip(row) {
            let widest = shown(value.as_ref()).lines().map(UnicodeWidthStr::width).max().unwrap_or(0);
            *width = (*width).max(widest);
        }
    }
    widths
}

fn is_number(column: &Column) -> bool {
    matches!(
        column.data_type,
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC
    )
}

fn write_header(out: &mut impl Write, columns: &[Column], widths: &[usize]) -> io::Result<()> {
    let cells = columns.iter().zip(widths).map(|(column, width)| {
        let space = width - column.name.width();
        let left = space / 2;
        format!(" {}{}{} ", " ".repeat(left), column.name, " ".repeat(space - left))
    });
    writeln!(out, "{}", cells.collect::<Vec<_>>().join("|"))?;
    let rules: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    writeln!(out, "{}", rules.join("+"))
}

/// Writes a row; a value of several lines goes on below itself, with a `+` where it is continued.
fn write_row(
    out: &mut impl Write,
    columns: &[Column],
    widths: &[usize],
    row: &[Option<String>],
) -> io::Result<()> {
    let texts: Vec<String> = row.iter().map(|value| shown(value.as_ref())).collect();
    let cells: Vec<Vec<&str>> = texts.iter().map(|text| text.split('\n').collect()).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    for line in 0..height {
        let (mut written, empty) = (String::new(), String::new());
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let text = cell.get(line).copied().unwrap_or_default();
            let space = " ".repeat(width.saturating_sub(text.width()));
            let separator = if index == 0 { "" } else { "|" };
            let end = if line + 1 < cell.len() { '+' } else { ' ' };
            let (left, right) = if is_number(&columns[index]) { (&space, "") } else { (&empty, &*space) };
            written.extend([separator, " ", left, text, right]);
            written.push(end);
        }
        writeln!(out, "{}", written.trim_end_matches(' '))?;
    }
    Ok(())
}

fn write_record(
    out: &mut impl Write,
    columns: &[Column],
    number: u64,
    row: &[Option<String>],
) -> io::Result<()> {
    let width = columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
    if number > 1 {
        writeln!(out)?;
    }
    for (column, value) in columns.iter().zip(row) {
        let space = " ".repeat(width - column.name.width());
        let text = shown(value.as_ref());
        let mut lines = text.split('\n');
        writeln!(out, "{}{space} | {}", column.name, lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(out, "{} | {line}", " ".repeat(width))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(layout: Layout) -> TableOutput<Vec<u8>> {
        let mut table = TableOutput::new(Vec::new(), layout);
        let columns = [
            Column { name: "name".into(), data_type: Type::TEXT },
            Column { name: "n".into(), data_type: Type::INT4 },
        ];
        table.columns(&columns).unwrap();
        table.row(vec![Some("two\nlines".into()), Some("10".into())]).unwrap();
        table.row(vec![Some("日本".into()), None]).unwrap();
        table
    }

    fn text(table: TableOutput<Vec<u8>>) -> String {
        String::from_utf8(table.out).unwrap()
    }

    #[test]
    fn columns_fit_their_widest_value() {
        let mut table = table(Layout::Aligned);
        table.complete("SELECT 2").unwrap();
        // As psql 15 prints the same rows, but for blanks at the end of a line.
        assert_eq!(text(table), " name  | n  \n-------+----\n two  +| 10\n lines |\n 日本  |\n(2 rows)\n\n");
    }

    #[test]
    fn a_slow_result_is_shown_while_it_comes() {
        let mut table = table(Layout::Aligned);
        assert!(table.out.is_empty());
        table.result.as_mut().unwrap().since -= HOLD * 2;
        table.pause().unwrap();
        assert!(String::from_utf8_lossy(&table.out).contains("lines"));
        table.row(vec![Some("wider than the column".into()), Some("3".into())]).unwrap();
        assert!(text(table).ends_with("\n wider than the column |  3\n"));
    }

    #[test]
    fn a_record_has_a_line_a_column() {
        let mut table = table(Layout::Expanded);
        table.complete("SELECT 2").unwrap();
        assert_eq!(text(table), "name | two\n     | lines\nn    | 10\n\nname | 日本\nn    | \n");
    }

    #[test]
    fn other_statements_show_their_tag() {
        let mut table = TableOutput::new(Vec::new(), Layout::Aligned);
        table.complete("CREATE TABLE").unwrap();
        assert_eq!(text(table), "CREATE TABLE\n");
    }
}
