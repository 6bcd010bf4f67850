//! ALTER SYSTEM, which the parser does not know: a SET or RESET for all sessions.

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::{Set, Statement as SqlStatement};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::{Error, ErrorKind, Result};
use crate::parse::plain::parse_plain;
use crate::statement::Statement;

/// The text after `ALTER SYSTEM`, which the parser does not know.
pub(super) fn after_alter_system(tokens: &[Token]) -> Option<String> {
    let mut words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    for expected in ["ALTER", "SYSTEM"] {
        match words.next() {
            Some(Token::Word(word)) if word.value.eq_ignore_ascii_case(expected) => {}
            _ => return None,
        }
    }
    let rest: Vec<String> = words.map(ToString::to_string).collect();
    // A dotted name has no spaces around its dots.
    Some(rest.join(" ").replace(" . ", "."))
}

pub(super) fn alter_system(text: &str, assignment: &str) -> Result<Vec<Statement>> {
    let mut parsed = parse_plain(assignment)?;
    let is_assignment = |ast: &Ast| match ast {
        Ast::Statement(statement) => {
            matches!(statement.as_ref(), SqlStatement::Set(Set::SingleAssignment { scope: None, .. }))
        }
        other => matches!(other, Ast::Reset(_)),
    };
    match (parsed.pop(), parsed.is_empty()) {
        (Some(ast), true) if is_assignment(&ast) => {
            Ok(vec![Statement { ast: Some(ast), text: text.trim().to_owned(), for_all: true }])
        }
        _ => Err(Error::new(
            ErrorKind::SyntaxError,
            "syntax error: ALTER SYSTEM is followed by SET name = value or RESET name, and stands alone",
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::parse::parse;

    #[test]
    fn alter_system_takes_one_assignment() {
        for text in [
            "ALTER SYSTEM SET hyprstream.trajectory_days = 30",
            "alter system set hyprstream.trajectory_days to '30';",
            "ALTER SYSTEM RESET hyprstream.trajectory_days",
        ] {
            let statements = parse(text).unwrap();
            assert!(statements.len() == 1 && statements[0].for_all, "{text}");
        }
        for text in ["ALTER SYSTEM", "ALTER SYSTEM SELECT 1", "ALTER SYSTEM SET a = 1; SELECT 1"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::SyntaxError, "{text}");
        }
    }
}
