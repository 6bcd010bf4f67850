//! The logical node: its input's columns and one column a call.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference, internal_err};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::planner::nodes::asks_model;

/// One call of the model, or a condition that decides on calls: the expression, the condition under which a row needs
/// its value, and the column that this goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) expr: Expr,
    pub(crate) guard: Option<Expr>,
    pub(crate) column: String,
}

/// Its input's columns and one column a call; or one a condition, since a node has calls or conditions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct InferenceNode {
    pub(crate) input: LogicalPlan,
    pub(crate) calls: Vec<Call>,
    /// How many rows a LIMIT above asks for; the query may need more of them to satisfy it.
    pub(crate) wanted_rows: Option<usize>,
    schema: DFSchemaRef,
}

impl PartialOrd for InferenceNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl InferenceNode {
    pub(crate) fn try_new(input: LogicalPlan, calls: Vec<Call>) -> Result<Self> {
        let mut fields: Vec<(Option<TableReference>, FieldRef)> =
            input.schema().iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
        for call in &calls {
            let data_type = call.expr.get_type(input.schema())?;
            fields.push((None, Arc::new(Field::new(&call.column, data_type, true))));
        }
        let metadata = input.schema().metadata().clone();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, metadata)?);
        Ok(Self { input, calls, wanted_rows: None, schema })
    }

    /// Whether any column is the model's. The columns of other nodes are conditions that decide on calls above.
    pub(crate) fn asks_model(&self) -> bool {
        // The optimizer puts an alias around a call whose arguments it has simplified.
        self.calls.iter().any(|call| asks_model(&call.expr))
    }
}

impl UserDefinedLogicalNodeCore for InferenceNode {
    fn name(&self) -> &'static str {
        "Inference"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// The calls, then their guards.
    fn expressions(&self) -> Vec<Expr> {
        let calls = self.calls.iter().map(|c| c.expr.clone());
        calls.chain(self.calls.iter().filter_map(|c| c.guard.clone())).collect()
    }

    /// Predicates over an answer stay above; all others go below, so that the model sees fewer rows.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.calls.iter().map(|c| c.column.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.asks_model() { "Inference" } else { "Conditions" };
        write!(f, "{name}:")?;
        for (i, call) in self.calls.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma} {} AS {}", call.expr, call.column)?;
            if let Some(guard) = &call.guard {
                write!(f, " WHEN {guard}")?;
            }
        }
        match self.wanted_rows {
            Some(rows) => write!(f, ", wanted_rows={rows}"),
            None => Ok(()),
        }
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let mut calls: Vec<Call> = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let Some(expr) = exprs.next() else {
                return internal_err!("an inference node lost a call");
            };
            calls.push(Call { expr, guard: None, column: call.column.clone() });
        }
        for (new, old) in calls.iter_mut().zip(&self.calls) {
            if old.guard.is_some() {
                new.guard = exprs.next();
            }
        }
        let Some(input) = inputs.into_iter().next() else {
            return internal_err!("an inference node lost its input");
        };
        let mut node = Self::try_new(input, calls)?;
        node.wanted_rows = self.wanted_rows;
        Ok(node)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let input = self.input.schema();
        let width = input.fields().len();
        let mut needed: BTreeSet<usize> = output_columns.iter().copied().filter(|i| *i < width).collect();
        for expr in UserDefinedLogicalNodeCore::expressions(self) {
            needed.extend(
                expr.column_refs().into_iter().filter_map(|column| input.maybe_index_of_column(column)),
            );
        }
        Some(vec![needed.into_iter().collect()])
    }

    /// One row in is one row out, so a LIMIT above may also limit the input.
    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}
