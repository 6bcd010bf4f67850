//! `$1`, `$2`: their types before a statement runs, their values when it does.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as PlannedExpr, LogicalPlan};
use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, ExactNumberInfo, Expr, TimezoneInfo, Value, VisitMut, VisitorMut,
};

use super::Session;
use crate::error::{Error, ErrorKind, Result};

/// Writes `CAST($n AS type)` for each parameter whose type is known.
pub(super) fn with_types(mut ast: Ast, types: &[Option<DataType>]) -> Ast {
    let mut caster = Caster { types, untyped_are_text: false, in_cast: 0 };
    visit(&mut ast, &mut caster);
    ast
}

/// The types of these values, where they have one.
pub(super) fn types_of(values: &[ScalarValue]) -> Vec<Option<DataType>> {
    let types = values.iter().map(ScalarValue::data_type);
    types.map(|data_type| Some(data_type).filter(|t| !t.is_null())).collect()
}

/// Writes `CAST($n AS TEXT)` for each parameter whose type nothing else says.
pub(super) fn with_text(mut ast: Ast) -> Ast {
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

/// The number of a parameter `$1`, from 1.
pub(crate) fn parameter_number(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else {
        return None;
    };
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

/// `CAST(expr AS target)`.
pub(crate) fn cast(expr: Expr, target: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type: target, array: false, format: None }
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

/// Parameters under a cast have the type that they are cast to.
fn cast_parameters(plan: &LogicalPlan) -> datafusion::common::Result<Vec<(String, DataType)>> {
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

impl Session {
    /// The type of each parameter, `$1` first.
    pub(super) fn parameter_types(
        &self,
        plan: &LogicalPlan,
        declared: &[Option<DataType>],
    ) -> Result<Vec<DataType>> {
        let mut found = plan.get_parameter_types().map_err(|e| self.error(&e))?;
        for (name, data_type) in cast_parameters(plan).map_err(|e| self.error(&e))? {
            let known = found.entry(name).or_default();
            if known.is_none() {
                *known = Some(data_type);
            }
        }
        let numbers = found.keys().filter_map(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let count = numbers.max().unwrap_or(0).max(declared.len());
        let types = (1..=count).map(|number| {
            let declared = declared.get(number - 1).cloned().flatten();
            declared.or_else(|| found.get(&format!("${number}")).cloned().flatten()).unwrap_or(DataType::Utf8)
        });
        Ok(types.collect())
    }

    /// The plan with the parameters' values in their places.
    pub(super) fn bind(&self, plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan> {
        let types = self.parameter_types(&plan, &[])?;
        if types.len() > values.len() {
            let message =
                format!("the statement has {} parameters, {} values were given", types.len(), values.len());
            return Err(Error::new(ErrorKind::InvalidStatement, message));
        }
        if types.is_empty() {
            return Ok(plan);
        }
        let mut bound = Vec::with_capacity(types.len());
        for (number, (value, data_type)) in values.iter().zip(&types).enumerate() {
            let value = value.cast_to(data_type).map_err(|_| {
                let message = format!("parameter ${} is {value}, not {data_type}", number + 1);
                Error::new(ErrorKind::InvalidText, message)
            })?;
            bound.push(value);
        }
        plan.with_param_values(bound).map_err(|e| self.error(&e))
    }
}
