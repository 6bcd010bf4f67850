//! The backslash commands.

use crate::cli::terminal::statement::literal;

/// What `\?` prints.
pub(super) const HELP: &str = "\
\\d           list tables
\\d NAME      describe a table
\\dt          list the tables that were created here
\\timing      show how long statements take, or stop showing it
\\q           quit
\\?           this help
A statement ends with a semicolon. Ctrl-C cancels the running one.";

/// A backslash command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Quit,
    Help,
    Timing,
    /// One that is answered by a statement.
    Query(String),
}

impl Command {
    /// Whether a line is a command and not SQL: one with a backslash or, as in psql, `help`, `quit` or `exit`.
    pub(super) fn begins(line: &str) -> bool {
        let line = line.trim();
        line.starts_with('\\') || ["help", "quit", "exit"].contains(&line.trim_end_matches(';'))
    }

    /// Reads a command, or says why there is no such command.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().trim_end_matches(';');
        let argument = words.next().map(|word| word.trim_end_matches(';'));
        match (name, argument) {
            ("\\q" | "quit" | "exit", _) => Ok(Self::Quit),
            ("\\?" | "help", _) => Ok(Self::Help),
            ("\\timing", _) => Ok(Self::Timing),
            ("\\d", None) => Ok(Self::Query(tables(""))),
            ("\\dt", None) => Ok(Self::Query(tables(" AND table_schema NOT IN ('hyprstream')"))),
            ("\\d" | "\\dt", Some(table)) => Ok(Self::Query(columns(table))),
            (unknown, _) => Err(format!("invalid command {unknown}\nTry \\? for help.")),
        }
    }
}

fn tables(filter: &str) -> String {
    format!(
        "SELECT table_schema AS schema, table_name AS name, table_type AS type FROM information_schema.tables \
         WHERE table_schema NOT IN ('information_schema', 'pg_catalog'){filter} ORDER BY 1, 2"
    )
}

fn columns(table: &str) -> String {
    let (schema, name) = match table.split_once('.') {
        Some((schema, name)) => (format!(" AND table_schema = {}", literal(schema)), name),
        None => (String::new(), table),
    };
    format!(
        "SELECT column_name AS column, data_type AS type, is_nullable AS nullable \
         FROM information_schema.columns WHERE table_name = {}{schema} ORDER BY ordinal_position",
        literal(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_described_by_a_query_that_its_name_cannot_break() {
        let Ok(Command::Query(sql)) = Command::parse("\\d a.it's;") else { panic!("no query") };
        assert!(sql.contains("table_name = 'it''s'") && sql.contains("table_schema = 'a'"), "{sql}");
    }

    #[test]
    fn an_unknown_command_points_at_the_help() {
        assert!(Command::parse("\\foo bar").unwrap_err().contains("\\?"));
        assert_eq!(Command::parse("\\q"), Ok(Command::Quit));
    }

    #[test]
    fn the_words_that_psql_knows_are_commands_alone() {
        assert!(Command::begins(" quit; ") && Command::begins("\\dt") && !Command::begins("help me"));
        assert_eq!(Command::parse("quit;"), Ok(Command::Quit));
        assert_eq!(Command::parse("help"), Ok(Command::Help));
    }
}
