//! What filters say of keys, so that the engine's call itself gets narrower.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// What a query needs of a table, at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Narrow {
    ranges: HashMap<String, (i64, i64)>,
    texts: HashMap<String, Vec<String>>,
    /// How many rows are needed, when no filter is left to be applied after the call.
    pub(super) limit: Option<usize>,
}

impl Narrow {
    pub(super) fn new(filters: &[Expr], limit: Option<usize>) -> Self {
        let mut narrow = Self { limit: limit.filter(|_| filters.is_empty()), ..Self::default() };
        for filter in filters {
            narrow.add(filter);
        }
        narrow
    }

    /// The numbers that a column may have; `None` when nothing is said of it. An empty range begins after its end.
    pub(super) fn range(&self, column: &str) -> Option<RangeInclusive<u64>> {
        let (least, most) = *self.ranges.get(column)?;
        if most < 0 || least > most {
            return Some(RangeInclusive::new(1, 0));
        }
        Some(least.max(0) as u64..=most as u64)
    }

    /// The one number that a column must have.
    pub(super) fn number(&self, column: &str) -> Option<u64> {
        self.range(column).filter(|range| range.start() == range.end()).map(|range| *range.start())
    }

    /// The one text that a column must have.
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        match self.texts.get(column)?.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    fn add(&mut self, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.add(left);
                self.add(right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
                (column, Expr::Literal(value, _)) => self.compare(column, *op, value),
                (Expr::Literal(value, _), column) => {
                    if let Some(op) = op.swap() {
                        self.compare(column, op, value);
                    }
                }
                _ => {}
            },
            Expr::Between(between) if !between.negated => {
                if let Expr::Literal(least, _) = between.low.as_ref() {
                    self.compare(&between.expr, Operator::GtEq, least);
                }
                if let Expr::Literal(most, _) = between.high.as_ref() {
                    self.compare(&between.expr, Operator::LtEq, most);
                }
            }
            Expr::InList(InList { expr, list, negated: false }) => self.in_list(expr, list),
            _ => {}
        }
    }

    fn compare(&mut self, column: &Expr, op: Operator, value: &ScalarValue) {
        let Some(name) = column_name(column) else { return };
        if let (Operator::Eq, Some(Some(text))) = (op, value.try_as_str()) {
            self.texts.insert(name, vec![text.to_owned()]);
            return;
        }
        let Some(number) = number(value) else { return };
        let (least, most) = match op {
            Operator::Eq => (number, number),
            Operator::GtEq => (number, i64::MAX),
            Operator::Gt => (number.saturating_add(1), i64::MAX),
            Operator::LtEq => (i64::MIN, number),
            Operator::Lt => (i64::MIN, number.saturating_sub(1)),
            _ => return,
        };
        self.within(name, least, most);
    }

    fn in_list(&mut self, column: &Expr, list: &[Expr]) {
        let Some(name) = column_name(column) else { return };
        let literals = list.iter().map(|e| match e {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        });
        let Some(literals) = literals.collect::<Option<Vec<_>>>() else {
            return;
        };
        let numbers: Option<Vec<i64>> = literals.iter().map(|v| number(v)).collect();
        if let Some(numbers) = numbers
            && let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max())
        {
            self.within(name, *least, *most);
            return;
        }
        let texts: Option<Vec<String>> =
            literals.iter().map(|v| v.try_as_str().flatten().map(str::to_owned)).collect();
        if let Some(texts) = texts {
            self.texts.insert(name, texts);
        }
    }

    fn within(&mut self, name: String, least: i64, most: i64) {
        let range = self.ranges.entry(name).or_insert((i64::MIN, i64::MAX));
        *range = (range.0.max(least), range.1.min(most));
    }
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        _ => None,
    }
}

/// Whole numbers only: a fraction does not narrow a key.
fn number(value: &ScalarValue) -> Option<i64> {
    if !value.data_type().is_integer() {
        return None;
    }
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => number,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn comparisons_of_a_key_meet_in_one_range() {
        let filters = [
            col("id").gt(lit(3_i64)).and(lit(10_i64).gt_eq(col("id"))),
            col("id").in_list(vec![lit(5_i64), lit(20_i64)], false),
        ];
        assert_eq!(Narrow::new(&filters, Some(7)).range("id"), Some(5..=10));
        assert_eq!(Narrow::new(&filters, Some(7)).limit, None);
        assert_eq!(Narrow::new(&[], Some(7)).limit, Some(7));
    }

    #[test]
    fn a_contradiction_is_an_empty_range_and_a_negative_bound_is_zero() {
        let never = [col("id").lt(lit(0_i64))];
        assert!(Narrow::new(&never, None).range("id").unwrap().is_empty());
        let all = [col("id").gt(lit(-5_i64)), col("id").lt_eq(lit(2_i64))];
        assert_eq!(Narrow::new(&all, None).range("id"), Some(0..=2));
    }

    #[test]
    fn other_filters_say_nothing_of_a_key() {
        let filters = [
            col("id").not_eq(lit(3_i64)),
            col("id").in_list(vec![lit(1_i64)], true),
            (col("id") + lit(1_i64)).eq(lit(4_i64)),
        ];
        assert_eq!(Narrow::new(&filters, None).range("id"), None);
        assert_eq!(Narrow::new(&[col("name").eq(lit("a"))], None).text("name"), Some("a"));
    }
}
