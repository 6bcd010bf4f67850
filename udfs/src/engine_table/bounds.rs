//! What filters say of single columns, so that less is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The values that columns have in the rows that pass some filters: every such row is within the bounds, but a row
/// within the bounds need not pass. Whole numbers are at least 0, as all of the engine's are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The bounded columns; `None` when no row can pass.
    columns: Option<BTreeMap<String, Bound>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bound {
    Numbers(RangeInclusive<u64>),
    Texts(BTreeSet<String>),
}

impl Bounds {
    const NO_ROW: Self = Self { columns: None };

    pub(super) fn new(filters: &[Expr]) -> Self {
        filters.iter().map(bounds).fold(every_row(), Self::and)
    }

    /// The numbers that a column may have; `None` when nothing is said of it. The range is empty when no row can pass.
    pub fn numbers(&self, column: &str) -> Option<RangeInclusive<u64>> {
        let Some(columns) = &self.columns else { return Some(RangeInclusive::new(1, 0)) };
        match columns.get(column)? {
            Bound::Numbers(range) => Some(range.clone()),
            Bound::Texts(_) => None,
        }
    }

    /// The one number that a column must have.
    pub fn number(&self, column: &str) -> Option<u64> {
        self.numbers(column).filter(|range| range.start() == range.end()).map(|range| *range.start())
    }

    /// The texts that a column may have, in order; `None` when nothing is said of it.
    pub fn texts(&self, column: &str) -> Option<Vec<&str>> {
        let Some(columns) = &self.columns else { return Some(Vec::new()) };
        match columns.get(column)? {
            Bound::Texts(texts) => Some(texts.iter().map(String::as_str).collect()),
            Bound::Numbers(_) => None,
        }
    }

    /// The one text that a column must have.
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.texts(column)?.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    fn one(column: &str, bound: Bound) -> Self {
        Self { columns: Some(BTreeMap::from([(column.to_owned(), bound)])) }
    }

    /// The rows that are within both.
    fn and(self, other: Self) -> Self {
        let (Some(mut columns), Some(others)) = (self.columns, other.columns) else { return Self::NO_ROW };
        for (column, bound) in others {
            let bound = match columns.remove(&column) {
                Some(before) => before.and(bound),
                None => Some(bound),
            };
            let Some(bound) = bound else { return Self::NO_ROW };
            columns.insert(column, bound);
        }
        Self { columns: Some(columns) }
    }

    /// The rows that are within either, and those between.
    fn or(self, other: Self) -> Self {
        let columns = match (self.columns, other.columns) {
            (Some(columns), Some(mut others)) => {
                let both = columns.into_iter().filter_map(|(column, bound)| {
                    let other = others.remove(&column)?;
                    Some((column, bound.or(other)?))
                });
                Some(both.collect())
            }
            (columns, others) => columns.or(others),
        };
        Self { columns }
    }
}

impl Bound {
    /// What is within both; `None` when nothing is.
    fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => {
                let range = *a.start().max(b.start())..=*a.end().min(b.end());
                (!range.is_empty()).then_some(Self::Numbers(range))
            }
            (Self::Texts(a), Self::Texts(b)) => {
                let texts: BTreeSet<String> = a.into_iter().filter(|text| b.contains(text)).collect();
                (!texts.is_empty()).then_some(Self::Texts(texts))
            }
            (bound, _) => Some(bound),
        }
    }

    /// What is within either; `None` when the two have no bound in common.
    fn or(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => {
                Some(Self::Numbers(*a.start().min(b.start())..=*a.end().max(b.end())))
            }
            (Self::Texts(mut a), Self::Texts(b)) => {
                a.extend(b);
                Some(Self::Texts(a))
            }
            _ => None,
        }
    }
}

fn every_row() -> Bounds {
    Bounds { columns: Some(BTreeMap::new()) }
}

fn bounds(filter: &Expr) -> Bounds {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => bounds(left).and(bounds(right)),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => bounds(left).or(bounds(right)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op.swap()) {
            (Expr::Literal(..), Some(swapped)) => compared(right, swapped, left),
            _ => compared(left, *op, right),
        },
        Expr::Between(Between { expr, negated: false, low, high }) => {
            compared(expr, Operator::GtEq, low).and(compared(expr, Operator::LtEq, high))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let equal = list.iter().map(|value| compared(expr, Operator::Eq, value));
            equal.reduce(Bounds::or).unwrap_or_else(every_row)
        }
        _ => every_row(),
    }
}

/// The rows in which a column compares so with a literal.
fn compared(column: &Expr, op: Operator, value: &Expr) -> Bounds {
    let (Expr::Column(column), Expr::Literal(value, _)) = (column, value) else { return every_row() };
    if let (Operator::Eq, Some(Some(text))) = (op, value.try_as_str()) {
        return Bounds::one(&column.name, Bound::Texts(BTreeSet::from([text.to_owned()])));
    }
    let Some(number) = whole_number(value) else { return every_row() };
    let (least, most) = match op {
        Operator::Eq => (number, number),
        Operator::GtEq => (number, i64::MAX),
        Operator::Gt => (number.saturating_add(1), i64::MAX),
        Operator::LtEq => (0, number),
        Operator::Lt => (0, number.saturating_sub(1)),
        _ => return every_row(),
    };
    match (u64::try_from(least.max(0)), u64::try_from(most)) {
        (Ok(least), Ok(most)) => Bounds::one(&column.name, Bound::Numbers(least..=most)),
        _ => Bounds::NO_ROW,
    }
}

/// Whole numbers only: a fraction does not bound a whole number by itself.
fn whole_number(value: &ScalarValue) -> Option<i64> {
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
    use datafusion::prelude::{col, in_list, lit};

    use super::*;

    #[test]
    fn comparisons_of_a_column_meet_in_one_range() {
        let filters = [
            col("id").gt(lit(3_i64)).and(lit(10_i64).gt_eq(col("id"))),
            col("id").in_list(vec![lit(5_i64), lit(20_i64)], false),
        ];
        assert_eq!(Bounds::new(&filters).numbers("id"), Some(5..=10));
        let between = col("id").between(lit(3), lit(7));
        assert_eq!(Bounds::new(&[between]).numbers("id"), Some(3..=7));
        let one = col("id").eq(lit(2)).and(col("row").gt(lit(4)));
        assert_eq!(Bounds::new(&[one]).number("id"), Some(2));
    }

    #[test]
    fn alternatives_of_a_column_are_united() {
        let either = col("module").eq(lit("v")).or(in_list(col("module"), vec![lit("q"), lit("k")], false));
        assert_eq!(Bounds::new(&[either]).texts("module"), Some(vec!["k", "q", "v"]));
        let either = col("id").eq(lit(2)).or(col("id").eq(lit(5)));
        assert_eq!(Bounds::new(&[either]).numbers("id"), Some(2..=5));
    }

    #[test]
    fn a_contradiction_is_an_empty_range_and_a_negative_bound_is_zero() {
        for never in [
            col("id").lt(lit(0_i64)),
            col("id").gt(lit(4)).and(col("id").lt(lit(3))),
            col("module").eq(lit("q")).and(col("module").eq(lit("k"))),
        ] {
            let bounds = Bounds::new(std::slice::from_ref(&never));
            assert_eq!(bounds, Bounds::NO_ROW, "{never}");
            assert!(bounds.numbers("id").unwrap().is_empty(), "{never}");
            let other = never.or(col("layer").eq(lit(3)));
            assert_eq!(Bounds::new(&[other]).numbers("layer"), Some(3..=3));
        }
        let all = [col("id").gt(lit(-5_i64)), col("id").lt_eq(lit(2_i64))];
        assert_eq!(Bounds::new(&all).numbers("id"), Some(0..=2));
    }

    #[test]
    fn other_filters_say_nothing_of_a_column() {
        for filter in [
            col("id").not_eq(lit(3_i64)),
            col("id").in_list(vec![lit(1_i64)], true),
            (col("id") + lit(1_i64)).eq(lit(4_i64)),
            col("value").gt(lit(0.5)),
            col("id").eq(lit(1)).or(col("value").gt(lit(0.5))),
        ] {
            assert_eq!(Bounds::new(&[filter]), every_row());
        }
        assert_eq!(Bounds::new(&[col("name").eq(lit("a"))]).text("name"), Some("a"));
    }
}
