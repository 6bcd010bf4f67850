//! What a text may ask for before it is parsed: how long it is, its parameters, its chains of operators.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::{Error, ErrorKind, Result};

/// The longest text that is parsed, in bytes.
const TEXT_LIMIT: usize = 16 * 1024 * 1024;

/// How many operators one expression may chain between two commas or parentheses.
const OPERATOR_LIMIT: usize = 1000;

/// Refuses a text that is longer than [`TEXT_LIMIT`].
pub(super) fn check_length(text: &str) -> Result<()> {
    if text.len() > TEXT_LIMIT {
        let message = format!("the statement has {} bytes; at most {TEXT_LIMIT} are taken", text.len());
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    Ok(())
}

/// The wire counts parameters in 16 bits; a higher number would only ask for memory.
pub(super) fn check_parameters(tokens: &[Token]) -> Result<()> {
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
pub(super) fn check_operators(tokens: &[Token]) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::parse::parse;

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
}
