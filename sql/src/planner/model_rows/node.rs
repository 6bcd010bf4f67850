//! The logical node of a function in FROM: alone, or once for each row of its input.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference, internal_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use hyprstream_udfs::StreamingFunction;

/// A function in FROM.
#[derive(Debug, Clone)]
pub(crate) struct ModelRowsNode {
    pub(crate) function: Arc<dyn StreamingFunction>,
    /// A value for each parameter of the function, in their order.
    pub(crate) arguments: Vec<Expr>,
    /// What the arguments' columns come from; its columns come before the function's own.
    pub(crate) input: Option<LogicalPlan>,
    /// Whether a row of the input without rows of the function is kept, with NULLs.
    pub(crate) keeps_empty: bool,
    /// How many rows a LIMIT above asks for; the query may need more of them to satisfy it.
    pub(crate) wanted_rows: Option<usize>,
    /// The function's own columns.
    pub(crate) columns: DFSchemaRef,
    schema: DFSchemaRef,
}

impl PartialEq for ModelRowsNode {
    fn eq(&self, other: &Self) -> bool {
        self.function.function() == other.function.function()
            && self.arguments == other.arguments
            && self.input == other.input
            && self.keeps_empty == other.keeps_empty
            && self.wanted_rows == other.wanted_rows
            && self.schema == other.schema
    }
}

impl Eq for ModelRowsNode {}

impl Hash for ModelRowsNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.function().hash(state);
        self.arguments.hash(state);
        self.input.hash(state);
        self.keeps_empty.hash(state);
        self.schema.hash(state);
    }
}

impl PartialOrd for ModelRowsNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl ModelRowsNode {
    pub(crate) fn new(
        function: Arc<dyn StreamingFunction>,
        arguments: Vec<Expr>,
        columns: DFSchemaRef,
    ) -> Self {
        let schema = Arc::clone(&columns);
        Self { function, arguments, input: None, keeps_empty: false, wanted_rows: None, columns, schema }
    }

    pub(crate) fn with_arguments(mut self, arguments: Vec<Expr>) -> Self {
        self.arguments = arguments;
        self
    }

    /// The function once for each row of `input`.
    pub(crate) fn with_input(mut self, input: LogicalPlan) -> Result<Self> {
        let mut fields: Vec<(Option<TableReference>, FieldRef)> =
            input.schema().iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
        fields.extend(self.columns.iter().map(|(q, f)| (q.cloned(), Arc::clone(f))));
        self.schema = Arc::new(DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?);
        self.input = Some(input);
        Ok(self)
    }

    /// The function's columns under another name.
    pub(crate) fn with_columns(mut self, columns: DFSchemaRef) -> Result<Self> {
        self.columns = Arc::clone(&columns);
        if let Some(input) = self.input.take() {
            self.with_input(input)
        } else {
            self.schema = columns;
            Ok(self)
        }
    }

    /// Keeps rows of the input for which the function has none.
    pub(crate) fn keeping_empty(mut self) -> Self {
        self.keeps_empty = true;
        self
    }
}

impl UserDefinedLogicalNodeCore for ModelRowsNode {
    fn name(&self) -> &'static str {
        "ModelRows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.input.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.arguments.clone()
    }

    /// Predicates over the function's own columns stay above; all others go below.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.columns.fields().iter().map(|f| f.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function.function();
        write!(f, "ModelRows: {}(", function.name)?;
        let given = function.parameters.iter().zip(&self.arguments).filter(|(_, a)| !is_null(a));
        for (i, (parameter, argument)) in given.enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} => {argument}", parameter.name)?;
        }
        write!(f, ")")?;
        if self.keeps_empty { write!(f, ", left") } else { Ok(()) }
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut node = self.clone().with_arguments(exprs);
        match (self.input.is_some(), inputs.into_iter().next()) {
            (true, Some(input)) => node = node.with_input(input)?,
            (false, None) => {}
            _ => return internal_err!("a function in FROM lost its input"),
        }
        Ok(node)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let Some(input) = &self.input else {
            return Some(Vec::new());
        };
        let width = input.schema().fields().len();
        let mut needed: BTreeSet<usize> = output_columns.iter().copied().filter(|i| *i < width).collect();
        for argument in &self.arguments {
            let columns = argument.column_refs();
            needed.extend(
                columns.into_iter().filter_map(|column| input.schema().maybe_index_of_column(column)),
            );
        }
        Some(vec![needed.into_iter().collect()])
    }
}

fn is_null(argument: &Expr) -> bool {
    matches!(argument, Expr::Literal(value, _) if value.is_null())
}
