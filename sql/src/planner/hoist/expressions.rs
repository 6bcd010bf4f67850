//! Taking the calls out of one operator's expressions.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, lit};

use super::super::inference::{Call, InferenceNode};
use super::super::is_call;
use super::Names;

/// Collects the calls of an operator's expressions in layers: a call whose arguments need another call's answer
/// stands one layer above it.
pub(super) struct Hoister<'a> {
    names: &'a mut Names,
    layers: Vec<Layer>,
    columns: Vec<(String, usize)>,
}

#[derive(Default)]
struct Layer {
    /// Subqueries in arguments, computed by a projection below.
    computed: Vec<Expr>,
    calls: Vec<Call>,
}

/// True when a call of the model is in the expression.
pub(super) fn asks_model(expr: &Expr) -> bool {
    expr.exists(|e| Ok(is_call(e))).unwrap_or(false)
}

fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |e: &Expr| {
        matches!(
            e,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        )
    };
    expr.exists(|e| Ok(is_subquery(e))).unwrap_or(false)
}

impl<'a> Hoister<'a> {
    pub(super) fn new(names: &'a mut Names) -> Self {
        Self {
            names,
            layers: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// The expression with a column where each call was. `guard` says which rows need its value.
    pub(super) fn hoist(&mut self, expr: Expr, guard: Option<Expr>) -> Result<Expr> {
        if !asks_model(&expr) {
            return Ok(expr);
        }
        match expr {
            Expr::ScalarFunction(function) if function.func.as_async().is_some() => {
                self.hoist_call(function, guard)
            }
            Expr::ScalarFunction(function)
                if matches!(function.func.name(), "coalesce" | "nvl" | "ifnull") =>
            {
                self.hoist_coalesce(function, guard)
            }
            Expr::Case(case) => self.hoist_case(case, guard),
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::And | Operator::Or),
                right,
            }) => self.hoist_logical(*left, op, *right, guard),
            other => Ok(other
                .map_children(|child| Ok(Transformed::yes(self.hoist(child, guard.clone())?)))?
                .data),
        }
    }

    fn hoist_call(&mut self, mut function: ScalarFunction, guard: Option<Expr>) -> Result<Expr> {
        let mut arguments = Vec::with_capacity(function.args.len());
        for argument in std::mem::take(&mut function.args) {
            arguments.push(self.hoist(argument, guard.clone())?);
        }
        let layer = arguments
            .iter()
            .chain(&guard)
            .map(|e| self.layer_above(e))
            .max()
            .unwrap_or(0);
        while self.layers.len() <= layer {
            self.layers.push(Layer::default());
        }
        for argument in &mut arguments {
            self.compute_subquery(argument, layer);
        }
        // A row for which a subquery decides is asked in any case; the expression above still picks the right value.
        let guard = guard.filter(|guard| !has_subquery(guard));
        let column = self.names.next(function.func.name());
        function.args = arguments;
        let expr = Expr::ScalarFunction(function);
        self.layers[layer].calls.push(Call {
            expr,
            guard,
            column: column.clone(),
        });
        self.columns.push((column.clone(), layer));
        Ok(Expr::Column(Column::new_unqualified(column)))
    }

    fn compute_subquery(&mut self, argument: &mut Expr, layer: usize) {
        if has_subquery(argument) {
            let name = self.names.next("argument");
            let column = Expr::Column(Column::new_unqualified(name.clone()));
            let computed = std::mem::replace(argument, column).alias(name);
            self.layers[layer].computed.push(computed);
        }
    }

    /// The lowest layer whose input has everything that the expression needs.
    fn layer_above(&self, expr: &Expr) -> usize {
        let columns = expr.column_refs();
        let needed = self
            .columns
            .iter()
            .filter(|(name, _)| columns.iter().any(|c| c.name() == name));
        needed.map(|(_, layer)| layer + 1).max().unwrap_or(0)
    }

    fn hoist_case(&mut self, case: Case, guard: Option<Expr>) -> Result<Expr> {
        let operand = match case.expr {
            Some(operand) => Some(Box::new(self.hoist(*operand, guard.clone())?)),
            None => None,
        };
        let mut reached = guard;
        let mut branches = Vec::with_capacity(case.when_then_expr.len());
        for (when, then) in case.when_then_expr {
            let when = self.hoist(*when, reached.clone())?;
            let condition = match &operand {
                Some(operand) => operand.as_ref().clone().eq(when.clone()),
                None => when.clone(),
            };
            let then = self.hoist(*then, and(reached.clone(), condition.clone().is_true()))?;
            reached = and(reached, condition.is_not_true());
            branches.push((Box::new(when), Box::new(then)));
        }
        let otherwise = match case.else_expr {
            Some(otherwise) => Some(Box::new(self.hoist(*otherwise, reached)?)),
            None => None,
        };
        Ok(Expr::Case(Case {
            expr: operand,
            when_then_expr: branches,
            else_expr: otherwise,
        }))
    }

    fn hoist_coalesce(&mut self, mut function: ScalarFunction, guard: Option<Expr>) -> Result<Expr> {
        let mut reached = guard;
        let mut arguments = Vec::with_capacity(function.args.len());
        for argument in std::mem::take(&mut function.args) {
            let argument = self.hoist(argument, reached.clone())?;
            reached = and(reached, argument.clone().is_null());
            arguments.push(argument);
        }
        function.args = arguments;
        Ok(Expr::ScalarFunction(function))
    }

    /// The side without a call decides first; the other is asked only where that leaves the answer open.
    fn hoist_logical(&mut self, left: Expr, op: Operator, right: Expr, guard: Option<Expr>) -> Result<Expr> {
        let open = |decided: &Expr| match op {
            Operator::And => decided.clone().is_not_false(),
            _ => decided.clone().is_not_true(),
        };
        let (left, right) = if asks_model(&left) && !asks_model(&right) {
            let left = self.hoist(left, and(guard, open(&right)))?;
            (left, right)
        } else {
            let left = self.hoist(left, guard.clone())?;
            let right = self.hoist(right, and(guard, open(&left)))?;
            (left, right)
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            op,
            Box::new(right),
        )))
    }

    /// True when nothing was taken out.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The input with the operators that make the columns.
    pub(super) fn wrap(self, input: LogicalPlan) -> Result<LogicalPlan> {
        self.layers.into_iter().try_fold(input, |plan, layer| {
            let plan = if layer.computed.is_empty() {
                plan
            } else {
                let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
                LogicalPlanBuilder::from(plan)
                    .project(columns.into_iter().chain(layer.computed))?
                    .build()?
            };
            Ok(InferenceNode::try_new(plan, layer.calls)?.into_plan())
        })
    }
}

fn and(guard: Option<Expr>, condition: Expr) -> Option<Expr> {
    match guard {
        _ if condition == lit(true) => guard,
        Some(guard) => Some(guard.and(condition)),
        None => Some(condition),
    }
}
