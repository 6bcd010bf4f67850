//! Stored weights as a table: what `adapter_weights` and `adapter_diff` have in common.
//!
//! A filter on a place narrows what is read of the store; every filter is applied here, so none stays above the
//! table. Rows come in batches as they are read, and reading stops when nobody wants more.

mod exec;
mod filter;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use hyprstream_engine::{AdapterRow, Engine, MatrixKind, WeightFilter};

use crate::error;
use exec::WeightsExec;

/// Rows as they are read.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// What a table over weights reads; it displays as the names of the versions.
pub(crate) trait WeightSource: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// The name of its operator in plans.
    const OPERATOR: &'static str;

    /// Its columns.
    fn schema() -> SchemaRef;

    /// The rows at these places. They may be more than what was asked for, never fewer.
    fn batches(&self, engine: &Engine, filter: &WeightFilter) -> Result<Batches>;
}

/// Weights as a table.
#[derive(Debug)]
pub(crate) struct WeightTable<S> {
    engine: Arc<Engine>,
    source: Arc<S>,
}

impl<S: WeightSource> WeightTable<S> {
    pub(crate) fn provider(engine: &Arc<Engine>, source: S) -> Arc<dyn TableProvider> {
        Arc::new(Self { engine: Arc::clone(engine), source: Arc::new(source) })
    }
}

#[async_trait]
impl<S: WeightSource> TableProvider for WeightTable<S> {
    fn schema(&self) -> SchemaRef {
        S::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = DFSchema::try_from(S::schema())?;
        let predicates = filters
            .iter()
            .map(|filter| session.create_physical_expr(filter.clone(), &schema))
            .collect::<Result<_>>()?;
        let exec = WeightsExec::try_new(
            (Arc::clone(&self.engine), Arc::clone(&self.source)),
            filter::narrowed(filters, limit),
            predicates,
            projection,
            limit,
        )?;
        Ok(Arc::new(exec))
    }
}

/// The version that an argument names now, as `name@version`: what is read stays the same while others publish.
pub(crate) fn named_version(function: &str, engine: &Engine, argument: &Expr) -> Result<AdapterRow> {
    let name = match argument {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    };
    match name {
        // An unknown name is told at once.
        Some(name) => engine.adapter(name).map_err(error::external),
        None => {
            plan_err!("{function} takes the names of adapters as texts that are written out, not {argument}")
        }
    }
}

/// `layer, module, matrix, row, col` and then `values`.
pub(crate) fn fields(values: &[&str]) -> Vec<Field> {
    let mut fields = vec![
        Field::new("layer", DataType::Int32, true),
        Field::new("module", DataType::Utf8, true),
        Field::new("matrix", DataType::Utf8, true),
        Field::new("row", DataType::Int32, true),
        Field::new("col", DataType::Int32, true),
    ];
    fields.extend(values.iter().map(|name| Field::new(*name, DataType::Float32, true)));
    fields
}

/// The columns of the places of some weights of one matrix.
pub(crate) fn places(
    (layer, module, matrix): (u32, &str, MatrixKind),
    rows: &[u32],
    cols: &[u32],
) -> Vec<ArrayRef> {
    let count = rows.len();
    let numbers =
        |values: &[u32]| -> ArrayRef { Arc::new(values.iter().map(|v| *v as i32).collect::<Int32Array>()) };
    vec![
        Arc::new(Int32Array::from(vec![layer as i32; count])),
        Arc::new(StringArray::from(vec![module; count])),
        Arc::new(StringArray::from(vec![matrix.as_str(); count])),
        numbers(rows),
        numbers(cols),
    ]
}
