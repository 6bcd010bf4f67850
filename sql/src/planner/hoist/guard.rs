//! What must hold for a row to need a value, and which expressions may be evaluated for any row and any number of times.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, lit};

/// A condition on the rows that an expression is reached for.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    condition: Option<Expr>,
    /// Whether more must hold that cannot be said below, such as what a subquery answers. Then a call is made for rows
    /// that do not need it, and nothing that can fail is evaluated under this guard.
    is_partial: bool,
}

impl Guard {
    /// The guard with one more condition, which is a harmless expression; another one cannot be said.
    pub(super) fn and(&self, condition: Expr, schema: &DFSchema) -> Self {
        if !is_harmless(&condition, schema) {
            return self.and_more();
        }
        let condition = match &self.condition {
            held if condition == lit(true) => held.clone(),
            Some(held) => Some(held.clone().and(condition)),
            None => Some(condition),
        };
        Self { condition, is_partial: self.is_partial }
    }

    /// The guard with one more condition that cannot be said.
    pub(super) fn and_more(&self) -> Self {
        Self { condition: self.condition.clone(), is_partial: true }
    }

    /// The condition, as far as it can be said; `None` where every row is reached.
    pub(super) fn condition(&self) -> Option<&Expr> {
        self.condition.as_ref()
    }

    /// Whether it can be said as a whole.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_partial
    }
}

/// Whether an expression gives the same value each time and cannot fail, so that two operators may evaluate it,
/// also for rows that do not need it. An unknown kind of expression does not count as harmless.
pub(super) fn is_harmless(expr: &Expr, schema: &DFSchema) -> bool {
    let mut is_harmless = true;
    let walked = expr.apply(|e| {
        // What reads no column fails for every row or for none.
        if is_constant(e) {
            return Ok(TreeNodeRecursion::Jump);
        }
        is_harmless = is_harmless_node(e, schema);
        Ok(if is_harmless { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && is_harmless
}

/// True for an expression that no other operator than its own can evaluate.
pub(super) fn is_bound_to_its_operator(expr: &Expr) -> bool {
    let is_bound = |e: &Expr| {
        matches!(
            e,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::Unnest(_)
        )
    };
    expr.exists(|e| Ok(is_bound(e))).unwrap_or(true)
}

fn is_constant(expr: &Expr) -> bool {
    expr.column_refs().is_empty() && !expr.is_volatile() && !is_bound_to_its_operator(expr)
}

fn is_harmless_node(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Literal(..)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Between(_)
        | Expr::InList(_)
        | Expr::Like(_)
        | Expr::Case(_)
        | Expr::TryCast(_) => true,
        Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(
            op,
            Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
                | Operator::And
                | Operator::Or
        ),
        Expr::Cast(Cast { expr, field }) => match expr.get_type(schema) {
            Ok(from) => always_casts(&from, field.data_type()),
            Err(_) => false,
        },
        _ => false,
    }
}

/// Whether every value of a type has one in another.
fn always_casts(from: &DataType, to: &DataType) -> bool {
    let is_text =
        |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let widens = from.is_integer()
        && to.is_integer()
        && (from.is_signed_integer() == to.is_signed_integer() || to.is_signed_integer())
        && (from.primitive_width() < to.primitive_width());
    from == to
        || from.is_null()
        || is_text(to) && (from.is_numeric() || is_text(from) || *from == DataType::Boolean)
        || from.is_numeric() && to.is_floating()
        || widens
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::logical_expr::{cast, col};

    use super::*;

    #[test]
    fn what_can_fail_or_change_is_not_harmless() {
        let fields = vec![
            Field::new("n", DataType::Int32, true),
            Field::new("u", DataType::UInt64, true),
            Field::new("t", DataType::Utf8, true),
        ];
        let schema = DFSchema::try_from(Schema::new(fields)).unwrap();
        for expr in [
            col("n").not_eq(lit(0)).and(col("t").is_null()),
            cast(col("n"), DataType::Int64).gt(lit(5_i64)),
            cast(col("u"), DataType::Utf8).eq(col("t")),
        ] {
            assert!(is_harmless(&expr, &schema), "{expr}");
        }
        for expr in [
            (lit(10) / col("n")).gt(lit(1)),
            cast(col("t"), DataType::Int32).eq(lit(1)),
            cast(col("n"), DataType::Int16).eq(lit(1)),
            cast(col("u"), DataType::Int64).eq(lit(1)),
            cast(col("missing"), DataType::Int64).eq(lit(1)),
        ] {
            assert!(!is_harmless(&expr, &schema), "{expr}");
        }
    }
}
