//! Operators that mean another thing to `DataFusion` than to Postgres.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

use crate::error::{Error, Result};
use crate::rewrite::syntax::call;

/// Writes `a <=> b`, the cosine distance of pgvector, by what the planner knows, and refuses SIMILAR TO, whose patterns
/// would be read as regular expressions.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Spaceship, right } => {
            let similarity = call("similarity", [left.as_ref().clone(), right.as_ref().clone()]);
            *expr = Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new(Expr::Value(Value::Number("1.0".to_owned(), false).into())),
                op: BinaryOperator::Minus,
                right: Box::new(similarity),
            }));
            Ok(())
        }
        Expr::SimilarTo { .. } => Err(Error::unsupported("SIMILAR TO")
            .with_hint("LIKE takes patterns with % and _, the operator ~ takes regular expressions.")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::parse;

    #[test]
    fn the_distance_of_pgvector_is_one_less_the_similarity() {
        let statements = parse("SELECT id FROM t ORDER BY e <=> embed('x')").unwrap();
        let text = statements[0].ast.as_ref().unwrap().to_string();
        assert!(text.contains("ORDER BY (1.0 - similarity(e, embed('x'"), "{text}");
    }
}
