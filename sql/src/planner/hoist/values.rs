//! Calls in VALUES: each row is asked for its own cell.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Projection, Values, lit};

use crate::planner::hoist::names::Names;
use crate::planner::hoist::operators::hoist_plain;
use crate::planner::nodes::asks_model;

const ROW: &str = "__row";

/// `VALUES (1, f('a')), (2, 'b')` becomes a CASE over the row's number, above the cells that are plain.
pub(super) fn hoist(values: Values, names: &mut Names) -> Result<LogicalPlan> {
    let mut calls: Vec<Vec<(usize, Expr)>> = vec![Vec::new(); values.schema.fields().len()];
    let nothing = DFSchema::empty();
    let mut rows = values.values;
    for (number, row) in rows.iter_mut().enumerate() {
        for (column, cell) in row.iter_mut().enumerate() {
            if asks_model(cell) {
                let data_type = values.schema.field(column).data_type();
                let empty = lit(ScalarValue::try_from(data_type)?);
                let call = std::mem::replace(cell, empty).cast_to(data_type, &nothing)?;
                calls[column].push((number, call));
            }
        }
        row.push(lit(number as i64));
    }
    let mut fields: Vec<_> = values.schema.iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
    fields.push((None, Arc::new(Field::new(ROW, DataType::Int64, false))));
    let schema = Arc::new(DFSchema::new_with_metadata(fields, values.schema.metadata().clone())?);
    let plain = LogicalPlan::Values(Values { schema, values: rows });
    let cells = calls.into_iter().zip(values.schema.columns()).map(|(calls, column)| cell(column, calls));
    let projection = Projection::try_new(cells.collect(), Arc::new(plain))?;
    hoist_plain(LogicalPlan::Projection(projection), names)
}

fn cell(column: Column, calls: Vec<(usize, Expr)>) -> Expr {
    let plain = Expr::Column(column.clone());
    if calls.is_empty() {
        return plain;
    }
    let row = Expr::Column(Column::new_unqualified(ROW));
    let branches = calls
        .into_iter()
        .map(|(number, call)| (Box::new(row.clone().eq(lit(number as i64))), Box::new(call)));
    let case = Case { expr: None, when_then_expr: branches.collect(), else_expr: Some(Box::new(plain)) };
    Expr::Case(case).alias_qualified(column.relation, column.name)
}
