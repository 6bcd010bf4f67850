//! The parser of the Postgres dialect, with the rules that make its syntax tree `DataFusion`'s.

use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement as Ast};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, CurrentUserVariableToSessionUserFunctionCall, FixArrayLiteral,
    PrependUnqualifiedPgTableName, RewriteArrayAnyAllOperation, SqlStatementRewriteRule,
    StripCallableQualifier, StripCollate,
};

use crate::error::{Error, ErrorKind, Result};

/// How deep expressions may nest.
const RECURSION_LIMIT: usize = 64;

pub(super) fn parse_plain(text: &str) -> Result<Vec<Ast>> {
    let parsed = DFParserBuilder::new(text)
        .with_dialect(&PostgreSqlDialect {})
        .with_recursion_limit(RECURSION_LIMIT)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let statements = parsed.map_err(|error| syntax_error(text, &error))?;
    Ok(statements.into_iter().map(apply_rules).collect())
}

fn apply_rules(ast: Ast) -> Ast {
    match ast {
        Ast::Statement(statement) => Ast::Statement(Box::new(apply_sql_rules(*statement))),
        Ast::Explain(mut explain) => {
            explain.statement = Box::new(apply_rules(*explain.statement));
            Ast::Explain(explain)
        }
        other => other,
    }
}

fn apply_sql_rules(statement: SqlStatement) -> SqlStatement {
    let rules: [&dyn SqlStatementRewriteRule; 7] = [
        &AliasDuplicatedProjectionRewrite,
        &RewriteArrayAnyAllOperation,
        &PrependUnqualifiedPgTableName,
        &StripCallableQualifier,
        &FixArrayLiteral,
        &CurrentUserVariableToSessionUserFunctionCall,
        &StripCollate,
    ];
    rules.iter().fold(statement, |statement, rule| rule.rewrite(statement))
}

fn syntax_error(text: &str, error: &DataFusionError) -> Error {
    let message = match error.find_root() {
        DataFusionError::SQL(parser, _) => parser.to_string(),
        other => other.strip_backtrace(),
    };
    let message = message.trim_start_matches("sql parser error: ");
    let (message, position) = split_location(text, message);
    let error = Error::new(ErrorKind::SyntaxError, format!("syntax error: {message}"));
    match position {
        Some(position) => error.with_position(position),
        None => error,
    }
}

/// Takes the parser's `at Line: 1, Column: 8` off a message and turns it into a character position.
fn split_location<'a>(text: &str, message: &'a str) -> (&'a str, Option<usize>) {
    let Some((before, location)) = message.rsplit_once("at Line: ") else {
        return (message, None);
    };
    let Some((line, column)) = location.split_once(", Column: ") else {
        return (message, None);
    };
    let (Ok(line), Ok(column)) = (line.trim().parse::<usize>(), column.trim().parse::<usize>()) else {
        return (message, None);
    };
    let lines_before: usize =
        text.split_inclusive('\n').take(line.saturating_sub(1)).map(|l| l.chars().count()).sum();
    (before.trim_end(), Some(lines_before + column.max(1)))
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::parse::parse;

    #[test]
    fn a_syntax_error_points_at_its_character() {
        let error = parse("SELECT 1\nFROM t WHERE )").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SyntaxError);
        assert_eq!(error.position(), Some(23), "{error}");
        assert!(!error.message().contains("Line"), "{error}");
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let text = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parse(&text).unwrap_err().kind(), ErrorKind::SyntaxError);
    }
}
