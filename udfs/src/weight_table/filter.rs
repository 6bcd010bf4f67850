//! What filters say of a weight's place, so that less of the store is read.

use std::ops::RangeInclusive;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use hyprstream_engine::{MatrixKind, WeightFilter};

/// The places that a query needs, at most. The limit counts only where no filter is left to be applied to values.
pub(super) fn narrowed(filters: &[Expr], limit: Option<usize>) -> WeightFilter {
    let mut narrow = WeightFilter {
        limit: limit.filter(|_| filters.is_empty()),
        ..WeightFilter::default()
    };
    for filter in filters {
        add(&mut narrow, filter);
    }
    narrow
}

/// A filter as plans show it, each part after a comma.
pub(super) fn described(filter: &WeightFilter) -> String {
    let WeightFilter {
        layers,
        modules,
        matrix,
        rows,
        cols,
        ..
    } = filter;
    let ranges = [("layer", layers), ("row", rows), ("col", cols)].into_iter();
    let mut parts: Vec<String> = ranges
        .filter_map(|(name, range)| {
            let range = range.as_ref()?;
            Some(format!(", {name}={}..={}", range.start(), range.end()))
        })
        .collect();
    parts.extend(
        modules
            .as_ref()
            .map(|modules| format!(", module={}", modules.join("|"))),
    );
    parts.extend(matrix.map(|matrix| format!(", matrix={}", matrix.as_str())));
    parts.concat()
}

/// Adds what a filter says of a place.
fn add(narrow: &mut WeightFilter, filter: &Expr) {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else {
        return;
    };
    match (left.as_ref(), op, right.as_ref()) {
        (left, Operator::And, right) => {
            add(narrow, left);
            add(narrow, right);
        }
        (Expr::Column(column), op, Expr::Literal(value, _)) => compare(narrow, &column.name, *op, value),
        (Expr::Literal(value, _), op, Expr::Column(column)) => {
            if let Some(op) = op.swap() {
                compare(narrow, &column.name, op, value);
            }
        }
        _ => {}
    }
}

fn compare(narrow: &mut WeightFilter, column: &str, op: Operator, value: &ScalarValue) {
    if let (Operator::Eq, Some(Some(text))) = (op, value.try_as_str()) {
        match (column, text) {
            ("module", module) => narrow.modules = Some(vec![module.to_owned()]),
            ("matrix", "A") => narrow.matrix = Some(MatrixKind::A),
            ("matrix", "B") => narrow.matrix = Some(MatrixKind::B),
            _ => {}
        }
        return;
    }
    let range = match column {
        "layer" => &mut narrow.layers,
        "row" => &mut narrow.rows,
        "col" => &mut narrow.cols,
        _ => return,
    };
    let number = match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) if value.data_type().is_integer() => number,
        _ => return,
    };
    let (least, most) = match op {
        Operator::Eq => (number, number),
        Operator::GtEq => (number, i64::MAX),
        Operator::Gt => (number.saturating_add(1), i64::MAX),
        Operator::LtEq => (i64::MIN, number),
        Operator::Lt => (i64::MIN, number.saturating_sub(1)),
        _ => return,
    };
    *range = Some(meet(range.as_ref(), least, most));
}

/// Both ranges at once; one without numbers begins after its end.
fn meet(range: Option<&RangeInclusive<u32>>, least: i64, most: i64) -> RangeInclusive<u32> {
    let (from, to) = range.map_or((0, u32::MAX), |range| (*range.start(), *range.end()));
    let (least, most) = (least.max(i64::from(from)), most.min(i64::from(to)));
    match (u32::try_from(least), u32::try_from(most)) {
        (Ok(least), Ok(most)) => least..=most,
        _ => RangeInclusive::new(1, 0),
    }
}
