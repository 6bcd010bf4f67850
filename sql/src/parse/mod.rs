//! Text to statements: the Postgres dialect, with what its clients' own catalog queries need.

mod alter_system;
mod catalog_queries;
mod limits;
mod plain;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

use crate::error::Result;
use crate::rewrite::rewrite;
use crate::statement::Statement;
use alter_system::{after_alter_system, alter_system};
use catalog_queries::{is_catalog_query, parse_catalog_query};
use limits::{check_length, check_operators, check_parameters};
use plain::parse_plain;

/// The statements of a text; one empty statement for an empty text.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>> {
    check_length(text)?;
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap_or_default();
    check_parameters(&tokens)?;
    check_operators(&tokens)?;
    if let Some(assignment) = after_alter_system(&tokens) {
        return alter_system(text, &assignment);
    }
    let catalog_query = if is_catalog_query(text, &tokens) { parse_catalog_query(text) } else { None };
    let parsed = catalog_query.map_or_else(|| parse_plain(text), Ok)?;
    if parsed.is_empty() {
        return Ok(vec![Statement { ast: None, text: String::new(), for_all: false }]);
    }
    let single = parsed.len() == 1;
    parsed
        .into_iter()
        .map(|ast| {
            let text = if single { text.trim().to_owned() } else { ast.to_string() };
            Ok(Statement { ast: Some(rewrite(ast)?), text, for_all: false })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_one_empty_statement() {
        for text in ["", "  ", ";", " ; ; ", "-- nothing"] {
            let statements = parse(text).unwrap();
            assert_eq!(statements.len(), 1, "{text:?}");
            assert!(statements[0].is_empty(), "{text:?}");
        }
    }

    #[test]
    fn several_statements_keep_their_own_texts() {
        let statements = parse("SELECT 1; SELECT 'a;b'").unwrap();
        assert_eq!(statements.len(), 2);
        assert_eq!(statements[1].text(), "SELECT 'a;b'");
    }
}
