//! Questions that clients ask the Postgres catalog, which need rewriting as a whole.

use std::sync::LazyLock;

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::tokenizer::Token;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

/// Names that only questions to the Postgres catalog use.
const CATALOG_NAMES: &[&str] = &[
    "pg_attribute",
    "pg_catalog",
    "pg_class",
    "pg_namespace",
    "pg_proc",
    "pg_type",
    "regclass",
    "regnamespace",
    "regproc",
    "regtype",
];

static CATALOG_QUERIES: LazyLock<PostgresCompatibilityParser> =
    LazyLock::new(PostgresCompatibilityParser::new);

/// Whether a text asks the catalog; what users write does not. A name inside a string does not count.
pub(super) fn is_catalog_query(text: &str, tokens: &[Token]) -> bool {
    let may_be = text.contains("pg_") || text.contains("PG_") || text.contains("reg");
    may_be
        && tokens.iter().any(|token| match token {
            Token::Word(word) => CATALOG_NAMES.contains(&word.value.to_ascii_lowercase().as_str()),
            _ => false,
        })
}

/// The statements of a question to the catalog; `None` when only `DataFusion`'s parser knows them.
pub(super) fn parse_catalog_query(text: &str) -> Option<Vec<Ast>> {
    let statements = CATALOG_QUERIES.parse(text).ok()?;
    Some(statements.into_iter().map(|s| Ast::Statement(Box::new(s))).collect())
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn asks_catalog(text: &str) -> bool {
        is_catalog_query(text, &Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap())
    }

    #[test]
    fn a_catalog_name_inside_a_string_changes_nothing() {
        assert!(asks_catalog("SELECT relname FROM pg_catalog.pg_class"));
        assert!(asks_catalog("SELECT 'notes'::regclass"));
        assert!(!asks_catalog("INSERT INTO t VALUES ('what is pg_class?')"));
    }
}
