//! What filters say of a weight's place, so that less of the store is read.

use std::ops::RangeInclusive;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use hyprstream_engine::{MatrixKind, WeightFilter};

/// The places that a query needs, at most. The limit counts only where no filter is left to be applied to values.
pub(super) fn narrowed(filters: &[Expr], limit: Option<usize>) -> WeightFilter {
    let narrow = filters.iter().map(places).fold(WeightFilter::default(), meet);
    WeightFilter { limit: limit.filter(|_| filters.is_empty()), ..narrow }
}

/// A filter as plans show it, each part after a comma.
pub(super) fn described(filter: &WeightFilter) -> String {
    let WeightFilter { layers, modules, matrix, rows, cols, .. } = filter;
    let ranges = [("layer", layers), ("row", rows), ("col", cols)].into_iter();
    let mut parts: Vec<String> = ranges
        .filter_map(|(name, range)| {
            let range = range.as_ref()?;
            Some(format!(", {name}={}..={}", range.start(), range.end()))
        })
        .collect();
    parts.extend(modules.as_ref().map(|modules| format!(", module={}", modules.join("|"))));
    parts.extend(matrix.map(|matrix| format!(", matrix={}", matrix.as_str())));
    parts.concat()
}

/// The places where a filter can hold; everything when it says nothing of them.
fn places(filter: &Expr) -> WeightFilter {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op, right.as_ref()) {
            (left, Operator::And, right) => meet(places(left), places(right)),
            (left, Operator::Or, right) => join(places(left), places(right)),
            (Expr::Column(column), op, Expr::Literal(value, _)) => compare(&column.name, *op, value),
            (Expr::Literal(value, _), op, Expr::Column(column)) => match op.swap() {
                Some(op) => compare(&column.name, op, value),
                None => WeightFilter::default(),
            },
            _ => WeightFilter::default(),
        },
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let bound = |op, bound: &Expr| match (expr.as_ref(), bound) {
                (Expr::Column(column), Expr::Literal(value, _)) => compare(&column.name, op, value),
                _ => WeightFilter::default(),
            };
            meet(bound(Operator::GtEq, low), bound(Operator::LtEq, high))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let equal = |value: &Expr| match (expr.as_ref(), value) {
                (Expr::Column(column), Expr::Literal(value, _)) => compare(&column.name, Operator::Eq, value),
                _ => WeightFilter::default(),
            };
            list.iter().map(equal).reduce(join).unwrap_or_default()
        }
        _ => WeightFilter::default(),
    }
}

fn compare(column: &str, op: Operator, value: &ScalarValue) -> WeightFilter {
    let everything = WeightFilter::default;
    if let (Operator::Eq, Some(Some(text))) = (op, value.try_as_str()) {
        return match (column, text) {
            ("module", module) => WeightFilter { modules: Some(vec![module.to_owned()]), ..everything() },
            ("matrix", "A") => WeightFilter { matrix: Some(MatrixKind::A), ..everything() },
            ("matrix", "B") => WeightFilter { matrix: Some(MatrixKind::B), ..everything() },
            ("matrix", _) => nowhere(),
            _ => everything(),
        };
    }
    let number = match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) if value.data_type().is_integer() => number,
        _ => return everything(),
    };
    let (least, most) = match op {
        Operator::Eq => (number, number),
        Operator::GtEq => (number, i64::MAX),
        Operator::Gt => (number.saturating_add(1), i64::MAX),
        Operator::LtEq => (i64::MIN, number),
        Operator::Lt => (i64::MIN, number.saturating_sub(1)),
        _ => return everything(),
    };
    let range = Some(span(least, most));
    match column {
        "layer" => WeightFilter { layers: range, ..everything() },
        "row" => WeightFilter { rows: range, ..everything() },
        "col" => WeightFilter { cols: range, ..everything() },
        _ => everything(),
    }
}

/// No place at all.
fn nowhere() -> WeightFilter {
    WeightFilter { layers: Some(RangeInclusive::new(1, 0)), ..WeightFilter::default() }
}

fn is_nowhere(filter: &WeightFilter) -> bool {
    [&filter.layers, &filter.rows, &filter.cols].into_iter().flatten().any(RangeInclusive::is_empty)
        || filter.modules.as_ref().is_some_and(Vec::is_empty)
}

/// The places that are in both.
fn meet(a: WeightFilter, b: WeightFilter) -> WeightFilter {
    if let (Some(a), Some(b)) = (a.matrix, b.matrix)
        && a != b
    {
        return nowhere();
    }
    let both = |a: Option<RangeInclusive<u32>>, b: Option<RangeInclusive<u32>>| match (a, b) {
        (Some(a), Some(b)) => {
            Some(span(i64::from(*a.start().max(b.start())), i64::from(*a.end().min(b.end()))))
        }
        (a, b) => a.or(b),
    };
    WeightFilter {
        layers: both(a.layers, b.layers),
        modules: match (a.modules, b.modules) {
            (Some(a), Some(b)) => Some(a.into_iter().filter(|module| b.contains(module)).collect()),
            (a, b) => a.or(b),
        },
        matrix: a.matrix.or(b.matrix),
        rows: both(a.rows, b.rows),
        cols: both(a.cols, b.cols),
        limit: None,
    }
}

/// The places that are in either, and those between.
fn join(a: WeightFilter, b: WeightFilter) -> WeightFilter {
    if is_nowhere(&a) {
        return b;
    }
    if is_nowhere(&b) {
        return a;
    }
    let hull = |a: Option<RangeInclusive<u32>>, b: Option<RangeInclusive<u32>>| {
        let (a, b) = (a?, b?);
        Some(*a.start().min(b.start())..=*a.end().max(b.end()))
    };
    WeightFilter {
        layers: hull(a.layers, b.layers),
        modules: a.modules.zip(b.modules).map(|(mut modules, more)| {
            modules.extend(more);
            modules.sort();
            modules.dedup();
            modules
        }),
        matrix: a.matrix.filter(|matrix| b.matrix == Some(*matrix)),
        rows: hull(a.rows, b.rows),
        cols: hull(a.cols, b.cols),
        limit: None,
    }
}

/// The numbers of a layer, row or column from `least` to `most`; one way of writing it when there are none.
fn span(least: i64, most: i64) -> RangeInclusive<u32> {
    let (least, most) = (least.max(0), most.min(i64::from(u32::MAX)));
    match (u32::try_from(least), u32::try_from(most)) {
        (Ok(least), Ok(most)) if least <= most => least..=most,
        _ => RangeInclusive::new(1, 0),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, in_list, lit};

    use super::*;

    fn of(filter: Expr) -> String {
        described(&narrowed(&[filter], None))
    }

    #[test]
    fn conditions_on_a_place_narrow_what_is_read() {
        let one = col("layer").eq(lit(2)).and(col("row").gt(lit(4)).and(lit(9).gt_eq(col("row"))));
        assert_eq!(of(one), ", layer=2..=2, row=5..=9");
        assert_eq!(of(col("col").between(lit(3), lit(7))), ", col=3..=7");
        let either = col("module").eq(lit("v_proj")).or(col("module").eq(lit("k_proj")));
        assert_eq!(of(either), ", module=k_proj|v_proj");
        let listed = in_list(col("module"), vec![lit("q_proj"), lit("k_proj")], false);
        assert_eq!(of(listed.and(col("matrix").eq(lit("B")))), ", module=k_proj|q_proj, matrix=B");
        assert_eq!(of(in_list(col("layer"), vec![lit(5), lit(2)], false)), ", layer=2..=5");
    }

    #[test]
    fn conditions_that_say_nothing_of_a_place_narrow_nothing() {
        for filter in [
            col("value").gt(lit(0.5)),
            col("layer").eq(lit(1)).or(col("value").gt(lit(0.5))),
            col("layer").not_eq(lit(1)),
            in_list(col("layer"), vec![lit(1)], true),
            col("matrix").eq(lit("A")).or(col("matrix").eq(lit("B"))),
        ] {
            assert_eq!(of(filter), "");
        }
    }

    #[test]
    fn conditions_that_exclude_each_other_leave_nothing() {
        for filter in [
            col("row").gt(lit(4)).and(col("row").lt(lit(3))),
            col("layer").lt(lit(0)),
            col("matrix").eq(lit("A")).and(col("matrix").eq(lit("B"))),
            col("matrix").eq(lit("C")),
            col("module").eq(lit("q_proj")).and(col("module").eq(lit("k_proj"))),
        ] {
            assert!(is_nowhere(&narrowed(std::slice::from_ref(&filter), None)), "{filter}");
            let other = filter.or(col("layer").eq(lit(3)));
            assert_eq!(of(other), ", layer=3..=3");
        }
    }
}
