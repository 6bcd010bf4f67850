//! `$1`, `$2`: their types before a statement runs, their values when it does.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr as PlannedExpr, LogicalPlan};
use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    DataType as SqlType, ExactNumberInfo, Expr, TimezoneInfo, VisitMut, VisitorMut,
};

use crate::rewrite::syntax::{cast, parameter_number};

/// Writes `CAST($n AS type)` for each parameter whose type is known.
pub(crate) fn with_types(mut ast: Ast, types: &[Option<DataType>]) -> Ast {
    let mut caster = Caster { types, untyped_are_text: false, in_cast: 0 };
    visit(&mut ast, &mut caster);
    ast
}

/// The types of these values, where they have one.
pub(crate) fn value_types(values: &[ScalarValue]) -> Vec<Option<DataType>> {
    let types = values.iter().map(ScalarValue::data_type);
    types.map(|data_type| Some(data_type).filter(|t| !t.is_null())).collect()
}

/// Writes `CAST($n AS TEXT)` for each parameter whose type nothing else says.
pub(crate) fn with_text(mut ast: Ast) -> Ast {
    let mut caster = Caster { types: &[], untyped_are_text: true, in_cast: 0 };
    visit(&mut ast, &mut caster);
    ast
}

fn visit(ast: &mut Ast, caster: &mut Caster<'_>) {
    match ast {
        Ast::Statement(statement) => {
            let _ = statement.visit(caster);
        }
        Ast::Explain(explain) => visit(&mut explain.statement, caster),
        Ast::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &mut copy.source {
                let _ = query.visit(caster);
            }
        }
        _ => {}
    }
}

struct Caster<'a> {
    types: &'a [Option<DataType>],
    untyped_are_text: bool,
    in_cast: usize,
}

impl VisitorMut for Caster<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Cast { expr, .. } if parameter_number(expr).is_some()) {
            self.in_cast += 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Cast { expr, .. } if parameter_number(expr).is_some()) {
            self.in_cast -= 1;
            return ControlFlow::Continue(());
        }
        let Some(number) = parameter_number(expr) else {
            return ControlFlow::Continue(());
        };
        if self.in_cast > 0 {
            return ControlFlow::Continue(());
        }
        let known = self.types.get(number - 1).cloned().flatten().and_then(|t| sql_type(&t));
        let target = known.or_else(|| self.untyped_are_text.then_some(SqlType::Text));
        if let Some(target) = target {
            *expr = cast(expr.clone(), target);
        }
        ControlFlow::Continue(())
    }
}

fn sql_type(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 => SqlType::SmallInt(None),
        DataType::Int32 => SqlType::Integer(None),
        DataType::Int64 => SqlType::BigInt(None),
        DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::DoublePrecision,
        DataType::Decimal128(p, s) => {
            SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(u64::from(*p), i64::from(*s)))
        }
        DataType::Date32 => SqlType::Date,
        DataType::Binary => SqlType::Bytea,
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => {
            SqlType::Timestamp(None, TimezoneInfo::None)
        }
        DataType::Timestamp(_, Some(_)) => SqlType::Timestamp(None, TimezoneInfo::Tz),
        _ => return None,
    })
}

/// Parameters under a cast, each with the type that it is cast to.
pub(super) fn cast_parameters(plan: &LogicalPlan) -> Result<Vec<(String, DataType)>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let PlannedExpr::Cast(cast) = expr
                    && let PlannedExpr::Placeholder(parameter) = cast.expr.as_ref()
                {
                    found.push((parameter.id.clone(), cast.field.data_type().clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}
