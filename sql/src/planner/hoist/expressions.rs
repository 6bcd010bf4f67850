//! Taking the calls out of one operator's expressions.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, Result};
use datafusion::logical_expr::expr::{BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::utils::split_binary;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator};

use crate::planner::hoist::guard::{Guard, is_bound_to_its_operator, is_harmless};
use crate::planner::hoist::names::Names;
use crate::planner::inference::node::{Call, InferenceNode};
use crate::planner::nodes::{asks_model, into_plan};

/// Collects the calls of an operator's expressions in layers: a call is in a layer above the columns that its arguments
/// and its guard read. The same holds for conditions that decide on calls and may be evaluated only once, and only for
/// the rows that reach them.
pub(super) struct Hoister<'a> {
    names: &'a mut Names,
    schema: DFSchemaRef,
    layers: Vec<Layer>,
    /// The columns that were made, and the step at which each is there: a layer's conditions come one before its calls.
    columns: Vec<(String, usize)>,
}

#[derive(Default)]
struct Layer {
    conditions: Vec<Call>,
    /// Subqueries in arguments, computed by a projection below.
    computed: Vec<Expr>,
    calls: Vec<Call>,
}

impl<'a> Hoister<'a> {
    /// For the expressions of an operator over rows of this schema.
    pub(super) fn new(names: &'a mut Names, schema: &DFSchemaRef) -> Self {
        Self { names, schema: Arc::clone(schema), layers: Vec::new(), columns: Vec::new() }
    }

    /// The expression with a column where each call was. `guard` says which rows need its value.
    pub(super) fn hoist(&mut self, expr: Expr, guard: &Guard) -> Result<Expr> {
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
            Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) => {
                self.hoist_logical(&expr, op, guard)
            }
            other => Ok(other.map_children(|child| Ok(Transformed::yes(self.hoist(child, guard)?)))?.data),
        }
    }

    fn hoist_call(&mut self, mut function: ScalarFunction, guard: &Guard) -> Result<Expr> {
        let mut arguments = Vec::with_capacity(function.args.len());
        for argument in std::mem::take(&mut function.args) {
            arguments.push(self.hoist(argument, guard)?);
        }
        let guard = guard.condition().cloned();
        let step = self.first_step(arguments.iter().chain(&guard));
        let layer = step / 2;
        self.make_layer(layer);
        for argument in &mut arguments {
            self.compute_subquery(argument, layer);
        }
        let column = self.names.next(function.func.name());
        function.args = arguments;
        let expr = Expr::ScalarFunction(function);
        self.layers[layer].calls.push(Call { expr, guard, column: column.clone() });
        self.columns.push((column.clone(), 2 * layer + 1));
        Ok(Expr::Column(Column::new_unqualified(column)))
    }

    fn compute_subquery(&mut self, argument: &mut Expr, layer: usize) {
        if is_bound_to_its_operator(argument) {
            let name = self.names.next("argument");
            let column = Expr::Column(Column::new_unqualified(name.clone()));
            let computed = std::mem::replace(argument, column).alias(name);
            self.layers[layer].computed.push(computed);
        }
    }

    /// The first step at which everything is there that the expressions read.
    fn first_step<'e>(&self, exprs: impl Iterator<Item = &'e Expr>) -> usize {
        let read: Vec<&Column> = exprs.flat_map(Expr::column_refs).collect();
        let needed = self.columns.iter().filter(|(name, _)| read.iter().any(|column| column.name() == name));
        needed.map(|(_, step)| step + 1).max().unwrap_or(0)
    }

    fn make_layer(&mut self, layer: usize) {
        while self.layers.len() <= layer {
            self.layers.push(Layer::default());
        }
    }

    /// An expression that decides on calls, with what may fail or change in it as columns, each evaluated once and only
    /// for the rows that reach it. The sides of an AND or OR are reached from left to right.
    pub(super) fn decide(&mut self, expr: Expr, guard: &Guard) -> Result<Expr> {
        if is_harmless(&expr, &self.schema) {
            return Ok(expr);
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let left = self.decide(*left, guard)?;
                let reached = guard.and(open(op, &left), &self.schema);
                let right = self.decide(*right, &reached)?;
                Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            Expr::Not(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_) => {
                Ok(expr.map_children(|child| Ok(Transformed::yes(self.decide(child, guard)?)))?.data)
            }
            other if is_bound_to_its_operator(&other) || !guard.is_whole() => Ok(other),
            other => Ok(self.evaluate_once(other, guard)),
        }
    }

    fn evaluate_once(&mut self, expr: Expr, guard: &Guard) -> Expr {
        let guard = guard.condition().cloned();
        let layer = self.first_step(std::iter::once(&expr).chain(&guard)).div_ceil(2);
        self.make_layer(layer);
        let column = self.names.next("condition");
        self.layers[layer].conditions.push(Call { expr, guard, column: column.clone() });
        self.columns.push((column.clone(), 2 * layer));
        Expr::Column(Column::new_unqualified(column))
    }

    fn hoist_case(&mut self, case: Case, guard: &Guard) -> Result<Expr> {
        let operand = match case.expr {
            Some(operand) => {
                let operand = self.hoist(*operand, guard)?;
                Some(self.decide(operand, guard)?)
            }
            None => None,
        };
        // A CASE with an operand becomes one with conditions, so that each of them is evaluated once.
        let (operand, compared) = match operand {
            Some(operand) if is_harmless(&operand, &self.schema) => (None, Some(operand)),
            operand => (operand, None),
        };
        let is_bound = operand.is_some();
        let mut reached = guard.clone();
        let mut branches = Vec::with_capacity(case.when_then_expr.len());
        let mut left = case.when_then_expr.into_iter();
        while let Some((when, then)) = left.next() {
            let mut condition = self.hoist(*when, &reached)?;
            if let Some(compared) = &compared {
                condition = compared.clone().eq(condition);
            }
            let decides = std::iter::once(&then)
                .chain(left.as_slice().iter().flat_map(|(when, then)| [when, then]))
                .chain(&case.else_expr)
                .any(|expr| asks_model(expr));
            let mut then_reached = reached.clone();
            if is_bound {
                reached = reached.and_more();
                then_reached = reached.clone();
            } else if decides {
                condition = self.decide(condition, &reached)?;
                then_reached = reached.and(condition.clone().is_true(), &self.schema);
                reached = reached.and(condition.clone().is_not_true(), &self.schema);
            }
            let then = self.hoist(*then, &then_reached)?;
            branches.push((Box::new(condition), Box::new(then)));
        }
        let otherwise = match case.else_expr {
            Some(otherwise) => Some(Box::new(self.hoist(*otherwise, &reached)?)),
            None => None,
        };
        Ok(Expr::Case(Case { expr: operand.map(Box::new), when_then_expr: branches, else_expr: otherwise }))
    }

    fn hoist_coalesce(&mut self, mut function: ScalarFunction, guard: &Guard) -> Result<Expr> {
        let mut reached = guard.clone();
        let mut arguments = Vec::with_capacity(function.args.len());
        let mut left = std::mem::take(&mut function.args).into_iter();
        while let Some(argument) = left.next() {
            let mut argument = self.hoist(argument, &reached)?;
            if left.as_slice().iter().any(asks_model) {
                argument = self.decide(argument, &reached)?;
                reached = reached.and(argument.clone().is_null(), &self.schema);
            }
            arguments.push(argument);
        }
        function.args = arguments;
        Ok(Expr::ScalarFunction(function))
    }

    /// The sides without a call decide first, from left to right; the others are asked only where those leave the
    /// answer open.
    fn hoist_logical(&mut self, expr: &Expr, op: Operator, guard: &Guard) -> Result<Expr> {
        let mut reached = guard.clone();
        let mut sides: Vec<Expr> = split_binary(expr, op).into_iter().cloned().collect();
        let is_calling: Vec<bool> = sides.iter().map(asks_model).collect();
        for calling in [false, true] {
            for (side, _) in sides.iter_mut().zip(&is_calling).filter(|(_, is)| **is == calling) {
                let hoisted = self.hoist(std::mem::take(side), &reached)?;
                *side = self.decide(hoisted, &reached)?;
                reached = reached.and(open(op, side), &self.schema);
            }
        }
        let joined = sides
            .into_iter()
            .reduce(|left, right| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))));
        Ok(joined.unwrap_or_default())
    }

    /// True when nothing was taken out.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The input with the operators that make the columns.
    pub(super) fn wrap(self, input: LogicalPlan) -> Result<LogicalPlan> {
        self.layers.into_iter().try_fold(input, |plan, layer| {
            let plan = if layer.conditions.is_empty() {
                plan
            } else {
                into_plan(InferenceNode::try_new(plan, layer.conditions)?)
            };
            let plan = if layer.computed.is_empty() {
                plan
            } else {
                let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
                LogicalPlanBuilder::from(plan).project(columns.into_iter().chain(layer.computed))?.build()?
            };
            if layer.calls.is_empty() {
                return Ok(plan);
            }
            Ok(into_plan(InferenceNode::try_new(plan, layer.calls)?))
        })
    }
}

/// Where one side of an AND or OR leaves the answer open.
fn open(op: Operator, decided: &Expr) -> Expr {
    match op {
        Operator::And => decided.clone().is_not_false(),
        _ => decided.clone().is_not_true(),
    }
}
