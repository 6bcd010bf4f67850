//! `FROM adapter_weights('name@version')`: the weights of an adapter, a row a stored value.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, Float32Array, Int32Array, StringArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use hyprstream_engine::{Engine, MatrixKind, WeightBatch, WeightFilter};

use crate::error;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("layer", DataType::Int32, true),
        Field::new("module", DataType::Utf8, true),
        Field::new("matrix", DataType::Utf8, true),
        Field::new("row", DataType::Int32, true),
        Field::new("col", DataType::Int32, true),
        Field::new("value", DataType::Float32, true),
    ]))
});

/// The function in FROM.
#[derive(Debug)]
pub struct AdapterWeights {
    engine: Arc<Engine>,
}

impl AdapterWeights {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl TableFunctionImpl for AdapterWeights {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [Expr::Literal(value, _)] = args.exprs() else {
            return plan_err!("adapter_weights takes one text, the adapter's name, written out");
        };
        let Some(Some(name)) = value.try_as_str() else {
            return plan_err!("adapter_weights takes one text, the adapter's name, not {value}");
        };
        // An unknown name is told at once, and a version published meanwhile does not change what is read.
        let adapter = self.engine.adapter(name).map_err(error::external)?;
        let name = format!("{}@{}", adapter.name, adapter.version);
        Ok(Arc::new(Weights {
            engine: Arc::clone(&self.engine),
            name,
        }))
    }
}

/// The weights of one version as a table.
#[derive(Debug)]
struct Weights {
    engine: Arc<Engine>,
    name: String,
}

#[async_trait]
impl TableProvider for Weights {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Every filter is applied here; those on places narrow what is read of the store.
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
        let schema = DFSchema::try_from(Arc::clone(&SCHEMA))?;
        let predicates = filters
            .iter()
            .map(|f| session.create_physical_expr(f.clone(), &schema));
        let mut narrow = WeightFilter {
            limit: limit.filter(|_| filters.is_empty()),
            ..WeightFilter::default()
        };
        filters.iter().for_each(|f| add(&mut narrow, f));
        let projection = projection
            .cloned()
            .unwrap_or_else(|| (0..SCHEMA.fields().len()).collect());
        let projected = Arc::new(SCHEMA.project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(projected),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(WeightsExec {
            engine: Arc::clone(&self.engine),
            name: self.name.clone(),
            narrow,
            predicates: predicates.collect::<Result<_>>()?,
            projection,
            limit,
            properties: Arc::new(properties),
        }))
    }
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
        _ => 1..=0,
    }
}

#[derive(Debug)]
struct WeightsExec {
    engine: Arc<Engine>,
    name: String,
    narrow: WeightFilter,
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    projection: Vec<usize>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for WeightsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdapterWeightsExec: {}", self.name)?;
        let WeightFilter {
            layers,
            modules,
            matrix,
            rows,
            cols,
            ..
        } = &self.narrow;
        for (name, range) in [("layer", layers), ("row", rows), ("col", cols)] {
            if let Some(range) = range {
                write!(f, ", {name}={}..={}", range.start(), range.end())?;
            }
        }
        if let Some(modules) = modules {
            write!(f, ", module={}", modules.join("|"))?;
        }
        if let Some(matrix) = matrix {
            write!(f, ", matrix={}", matrix.as_str())?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for WeightsExec {
    fn name(&self) -> &'static str {
        "AdapterWeightsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for predicate in &self.predicates {
            recursion = f(predicate)?;
        }
        Ok(recursion)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema(), 2);
        let sender = builder.tx();
        let (engine, name, narrow) = (Arc::clone(&self.engine), self.name.clone(), self.narrow.clone());
        let (predicates, projection) = (self.predicates.clone(), self.projection.clone());
        let mut left = self.limit.unwrap_or(usize::MAX);
        builder.spawn_blocking(move || {
            for weights in engine.adapter_weights(&name, &narrow).map_err(error::external)? {
                let mut batch = batch(&weights.map_err(error::external)?)?;
                for predicate in &predicates {
                    let keep = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
                    batch = filter_record_batch(&batch, keep.as_boolean())?;
                }
                let batch = batch.slice(0, batch.num_rows().min(left)).project(&projection)?;
                left -= batch.num_rows();
                if (batch.num_rows() > 0 && sender.blocking_send(Ok(batch)).is_err()) || left == 0 {
                    break;
                }
            }
            Ok(())
        });
        Ok(builder.build())
    }
}

fn batch(weights: &WeightBatch) -> Result<RecordBatch> {
    let count = weights.values.len();
    let numbers =
        |values: &[u32]| -> ArrayRef { Arc::new(values.iter().map(|v| *v as i32).collect::<Int32Array>()) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![weights.layer as i32; count])),
        Arc::new(StringArray::from(vec![weights.module.as_str(); count])),
        Arc::new(StringArray::from(vec![weights.matrix.as_str(); count])),
        numbers(&weights.rows),
        numbers(&weights.cols),
        Arc::new(Float32Array::from(weights.values.clone())),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
