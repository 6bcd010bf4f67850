//! Errors and notices on stderr, as psql prints them.

use std::io::{self, Write};

use crate::report::Report;

/// Prints a notice as psql does.
pub(crate) fn print_notice(notice: &Report) -> io::Result<()> {
    writeln!(io::stderr(), "{}:  {}", notice.severity, notice.message)
}

/// Prints an error as psql does, with the line of `text` that it points at.
pub(crate) fn print_error(report: &Report, text: &str) {
    eprint!("{}", describe_error(report, text));
}

fn describe_error(report: &Report, text: &str) -> String {
    let mut shown = vec![format!("{}:  {}\n", report.severity, report.message)];
    let position = report.position.and_then(|position| position.checked_sub(1));
    if let Some((line, number, column)) = position.and_then(|position| locate(text, position)) {
        let label = format!("LINE {number}: ");
        let width = label.len() + column + 1;
        shown.push(format!("{label}{line}\n{:>width$}\n", "^"));
    }
    shown.extend(report.hint.as_ref().map(|hint| format!("HINT:  {hint}\n")));
    shown.concat()
}

/// The line, its number from 1 and the column from 0 of a character of the text.
fn locate(text: &str, position: usize) -> Option<(&str, usize, usize)> {
    let mut left = position;
    for (number, line) in text.split('\n').enumerate() {
        let length = line.chars().count();
        if left <= length {
            return Some((line, number + 1, left));
        }
        left -= length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_line() {
        let mut report =
            Report::error("42703", "column \"b\" does not exist").with_hint("did you mean \"a\"?");
        report.position = Some(15);
        assert_eq!(
            describe_error(&report, "SELECT a\nFROM b"),
            "ERROR:  column \"b\" does not exist\nLINE 2: FROM b\n             ^\nHINT:  did you mean \"a\"?\n"
        );
        report.position = Some(500);
        assert!(!describe_error(&report, "SELECT").contains("LINE"));
    }
}
