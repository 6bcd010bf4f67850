//! Stored weights as rows: what `adapter_weights` and `adapter_diff` have in common.

use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::Expr;
use hyprstream_engine::{Engine, MatrixKind, WeightFilter};

use crate::engine_table::scan::Scan;
use crate::error::external;

/// The version that an argument names now, as `name@version`: what is read stays the same while others publish. An
/// unknown name is an error at once.
pub(super) fn named_version(function: &str, engine: &Engine, argument: &Expr) -> Result<String> {
    let name = match argument {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    };
    let Some(name) = name else {
        return plan_err!(
            "{function} takes the names of adapters as texts that are written out, not {argument}"
        );
    };
    let adapter = engine.adapter(name).map_err(external)?;
    Ok(format!("{}@{}", adapter.name, adapter.version))
}

/// `layer, module, matrix, row, col` and then `values`.
pub(super) fn weight_schema(values: &[&str]) -> SchemaRef {
    let mut fields = vec![
        Field::new("layer", DataType::Int32, true),
        Field::new("module", DataType::Utf8, true),
        Field::new("matrix", DataType::Utf8, true),
        Field::new("row", DataType::Int32, true),
        Field::new("col", DataType::Int32, true),
    ];
    fields.extend(values.iter().map(|name| Field::new(*name, DataType::Float32, true)));
    Arc::new(Schema::new(fields))
}

/// One matrix of a model's layers.
pub(super) struct Matrix<'a> {
    pub(super) layer: u32,
    pub(super) module: &'a str,
    pub(super) kind: MatrixKind,
}

impl Matrix<'_> {
    /// The columns `layer, module, matrix, row, col` of weights of this matrix.
    pub(super) fn coordinates(&self, rows: &[u32], cols: &[u32]) -> Vec<ArrayRef> {
        let count = rows.len();
        let numbers = |values: &[u32]| -> ArrayRef {
            Arc::new(values.iter().map(|v| *v as i32).collect::<Int32Array>())
        };
        vec![
            Arc::new(Int32Array::from(vec![self.layer as i32; count])),
            Arc::new(StringArray::from(vec![self.module; count])),
            Arc::new(StringArray::from(vec![self.kind.as_str(); count])),
            numbers(rows),
            numbers(cols),
        ]
    }
}

/// The weights that a query reads, at most.
pub(super) fn weight_filter(scan: &Scan) -> WeightFilter {
    let bounds = scan.bounds();
    let indices = |column| bounds.numbers(column).map(|range| indices(&range));
    let matrices: Option<Vec<MatrixKind>> = bounds.texts("matrix").map(|texts| {
        let kinds = [MatrixKind::A, MatrixKind::B].into_iter();
        kinds.filter(|kind| texts.contains(&kind.as_str())).collect()
    });
    let (layers, matrix) = match matrices.as_deref() {
        Some([]) => (Some(RangeInclusive::new(1, 0)), None),
        Some([only]) => (indices("layer"), Some(*only)),
        _ => (indices("layer"), None),
    };
    WeightFilter {
        layers,
        modules: bounds.texts("module").map(|texts| texts.into_iter().map(str::to_owned).collect()),
        matrix,
        rows: indices("row"),
        cols: indices("col"),
        limit: scan.rows_needed(),
    }
}

fn indices(range: &RangeInclusive<u64>) -> RangeInclusive<u32> {
    match (u32::try_from(*range.start()), u32::try_from(*range.end())) {
        (Ok(least), Ok(most)) => least..=most,
        (Ok(least), Err(_)) => least..=u32::MAX,
        (Err(_), _) => RangeInclusive::new(1, 0),
    }
}

/// The weights that a query reads as plans show them, each part after a comma.
pub(super) fn described(scan: &Scan) -> String {
    let WeightFilter { layers, modules, matrix, rows, cols, .. } = weight_filter(scan);
    let ranges = [("layer", layers), ("row", rows), ("col", cols)].into_iter();
    let mut parts: Vec<String> = ranges
        .filter_map(|(name, range)| {
            let range = range?;
            Some(format!(", {name}={}..={}", range.start(), range.end()))
        })
        .collect();
    parts.extend(modules.map(|modules| format!(", module={}", modules.join("|"))));
    parts.extend(matrix.map(|matrix| format!(", matrix={}", matrix.as_str())));
    parts.concat()
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, in_list, lit};

    use super::*;

    fn narrowed(filter: Expr) -> String {
        described(&Scan::filtered(weight_schema(&["value"]), &[filter]))
    }

    #[test]
    fn conditions_on_coordinates_narrow_what_is_read() {
        let one = col("layer").eq(lit(2)).and(col("row").gt(lit(4)).and(lit(9).gt_eq(col("row"))));
        assert_eq!(narrowed(one), ", layer=2..=2, row=5..=9");
        assert_eq!(narrowed(col("col").between(lit(3), lit(7))), ", col=3..=7");
        let either = col("module").eq(lit("v_proj")).or(col("module").eq(lit("k_proj")));
        assert_eq!(narrowed(either), ", module=k_proj|v_proj");
        let listed = in_list(col("module"), vec![lit("q_proj"), lit("k_proj")], false);
        assert_eq!(narrowed(listed.and(col("matrix").eq(lit("B")))), ", module=k_proj|q_proj, matrix=B");
        assert_eq!(narrowed(in_list(col("layer"), vec![lit(5), lit(2)], false)), ", layer=2..=5");
    }

    #[test]
    fn conditions_that_say_nothing_of_coordinates_narrow_nothing() {
        for filter in [
            col("value").gt(lit(0.5)),
            col("layer").eq(lit(1)).or(col("value").gt(lit(0.5))),
            col("layer").not_eq(lit(1)),
            in_list(col("layer"), vec![lit(1)], true),
            col("matrix").eq(lit("A")).or(col("matrix").eq(lit("B"))),
        ] {
            assert_eq!(narrowed(filter), "");
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
            let scan = Scan::filtered(weight_schema(&["value"]), std::slice::from_ref(&filter));
            let layers = weight_filter(&scan).layers.unwrap();
            assert!(layers.is_empty(), "{filter}");
        }
    }
}
