//! Text to statements: the Postgres dialect, with what its clients' own catalog queries need.

use std::sync::LazyLock;

use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement as Ast};
use datafusion::sql::sqlparser::ast::{Set, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, CurrentUserVariableToSessionUserFunctionCall, FixArrayLiteral,
    PrependUnqualifiedPgTableName, RewriteArrayAnyAllOperation, SqlStatementRewriteRule,
    StripCallableQualifier, StripCollate,
};

use crate::error::{Error, ErrorKind, Result};
use crate::rewrite::rewrite;
use crate::statement::Statement;

/// How deep expressions may nest.
const RECURSION_LIMIT: usize = 64;

/// How many operators one expression may chain between two commas or parentheses.
const OPERATOR_LIMIT: usize = 1000;

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

/// The longest text that is parsed, in bytes.
const TEXT_LIMIT: usize = 16 * 1024 * 1024;

static CATALOG_QUERIES: LazyLock<PostgresCompatibilityParser> =
    LazyLock::new(PostgresCompatibilityParser::new);

/// The statements of a text; one empty statement for an empty text.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>> {
    if text.len() > TEXT_LIMIT {
        let message = format!("the statement has {} bytes; at most {TEXT_LIMIT} are taken", text.len());
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap_or_default();
    check_parameters(&tokens)?;
    check_operators(&tokens)?;
    if let Some(assignment) = after_alter_system(&tokens) {
        return alter_system(text, &assignment);
    }
    let parsed = if is_catalog_query(text) { parse_catalog_query(text) } else { parse_plain(text) }?;
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

/// The wire counts parameters in 16 bits; a higher number would only ask for memory.
fn check_parameters(tokens: &[Token]) -> Result<()> {
    for token in tokens {
        let Token::Placeholder(name) = token else { continue };
        let number = name.strip_prefix('$').unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if is_number && number.parse::<u16>().is_err() {
            let message = format!("there is no parameter ${number}; the highest is ${}", u16::MAX);
            return Err(Error::new(ErrorKind::InvalidParameter, message));
        }
    }
    Ok(())
}

/// A chain of operators is parsed in a loop into a tree as deep as the chain is long, which the parser's own limit
/// does not see and which later work walks by recursion.
fn check_operators(tokens: &[Token]) -> Result<()> {
    let mut chains = vec![0];
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket => chains.push(0),
            Token::RParen | Token::RBracket if chains.len() > 1 => {
                chains.pop();
            }
            Token::Comma | Token::SemiColon => {
                if let Some(chain) = chains.last_mut() {
                    *chain = 0;
                }
            }
            other if chains_on(other) => {
                let chain = chains.last_mut().map_or(0, |chain| {
                    *chain += 1;
                    *chain
                });
                if chain > OPERATOR_LIMIT {
                    let message = format!(
                        "an expression has more than {OPERATOR_LIMIT} operators in a row; IN (…) takes long lists"
                    );
                    return Err(Error::new(ErrorKind::StatementTooComplex, message));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an expression or a query goes on after this token.
fn chains_on(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::JOIN
                | Keyword::LIKE
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::AT
        ),
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::RParen
        | Token::RBracket
        | Token::EOF => false,
        _ => true,
    }
}

/// The text after `ALTER SYSTEM`, which the parser does not know.
fn after_alter_system(tokens: &[Token]) -> Option<String> {
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

fn alter_system(text: &str, assignment: &str) -> Result<Vec<Statement>> {
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

/// Clients ask the Postgres catalog in ways that need rewriting as a whole; what users write does not. A name inside
/// a string does not count.
fn is_catalog_query(text: &str) -> bool {
    if !text.contains("pg_") && !text.contains("PG_") && !text.contains("reg") {
        return false;
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap_or_default();
    tokens.iter().any(|token| match token {
        Token::Word(word) => CATALOG_NAMES.contains(&word.value.to_ascii_lowercase().as_str()),
        _ => false,
    })
}

fn parse_catalog_query(text: &str) -> Result<Vec<Ast>> {
    match CATALOG_QUERIES.parse(text) {
        Ok(statements) => Ok(statements.into_iter().map(|s| Ast::Statement(Box::new(s))).collect()),
        // Statements that only DataFusion's parser knows may mention the catalog too.
        Err(_) => parse_plain(text),
    }
}

fn parse_plain(text: &str) -> Result<Vec<Ast>> {
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
    use super::*;

    #[test]
    fn a_syntax_error_points_at_its_character() {
        let error = parse("SELECT 1\nFROM t WHERE )").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SyntaxError);
        assert_eq!(error.position(), Some(23), "{error}");
        assert!(!error.message().contains("Line"), "{error}");
    }

    #[test]
    fn an_empty_text_is_one_empty_statement() {
        for text in ["", "  ", ";", " ; ; ", "-- nothing"] {
            let statements = parse(text).unwrap();
            assert_eq!(statements.len(), 1, "{text:?}");
            assert!(statements[0].is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_catalog_name_inside_a_string_changes_nothing() {
        assert!(is_catalog_query("SELECT relname FROM pg_catalog.pg_class"));
        assert!(is_catalog_query("SELECT 'notes'::regclass"));
        assert!(!is_catalog_query("INSERT INTO t VALUES ('what is pg_class?')"));
    }

    #[test]
    fn several_statements_keep_their_own_texts() {
        let statements = parse("SELECT 1; SELECT 'a;b'").unwrap();
        assert_eq!(statements.len(), 2);
        assert_eq!(statements[1].text(), "SELECT 'a;b'");
    }

    #[test]
    fn a_parameter_beyond_what_the_wire_can_count_is_refused() {
        for text in
            ["SELECT $4000000000::int", "CALL train_adapter(name => $18446744073709551615)", "SELECT $65536"]
        {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{text}");
            assert!(error.message().contains("$65535"), "{error}");
        }
        parse("SELECT $65535, '$4000000000', $$ $4000000000 $$").unwrap();
    }

    #[test]
    fn a_long_chain_of_operators_is_an_error_and_not_a_crash() {
        for link in ["+1", "::int", " AND 1", " OR NOT 1", " UNION SELECT 1", "[1]||1"] {
            let text = format!("SELECT 1{}", link.repeat(2_000_000 / link.len()));
            let error = parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StatementTooComplex, "{link}");
        }
        let rows = vec!["(1, -2, 'a' || 'b')"; 20_000].join(", ");
        parse(&format!("INSERT INTO t VALUES {rows}")).unwrap();
    }

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

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let text = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parse(&text).unwrap_err().kind(), ErrorKind::SyntaxError);
    }
}
