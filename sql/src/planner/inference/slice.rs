//! The calls of a few rows: arguments in, an array of answers out.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array};
use datafusion::arrow::compute::{filter_record_batch, interleave, take_arrays};
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::async_udf::AsyncScalarUDF;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use futures::FutureExt;
use futures::future::try_join_all;
use hyprstream_engine::CallContext;
use hyprstream_udfs::{Settings, is_deterministic};

use crate::planner::memo::{Answer, Key, Memo};

/// One call as the operator runs it.
#[derive(Debug, Clone)]
pub(super) struct PlannedCall {
    function: Arc<ScalarUDF>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    argument_fields: Vec<FieldRef>,
    return_field: FieldRef,
    guard: Option<Arc<dyn PhysicalExpr>>,
}

/// What all calls of one execution share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<ConfigOptions>,
    pub(super) settings: Settings,
    pub(super) memo: Arc<Memo>,
    pub(super) call: Arc<CallContext>,
}

/// A call's arguments over the rows of a batch that need it.
#[derive(Debug)]
pub(super) struct Input {
    arguments: Vec<ArrayRef>,
    /// For each row of the batch its index in the arguments; `None` when the row needs no answer.
    indices: Vec<Option<u32>>,
}

impl PlannedCall {
    pub(super) fn try_new(
        call: &Arc<dyn PhysicalExpr>,
        guard: Option<Arc<dyn PhysicalExpr>>,
        input: &Schema,
    ) -> Result<Self> {
        let Some(function) = call.downcast_ref::<ScalarFunctionExpr>() else {
            return internal_err!("{call} is not a call");
        };
        let arguments = function.args().to_vec();
        Ok(Self {
            function: Arc::new(function.fun().clone()),
            argument_fields: arguments.iter().map(|a| a.return_field(input)).collect::<Result<_>>()?,
            arguments,
            return_field: call.return_field(input)?,
            guard,
        })
    }

    /// How many rows one call takes.
    pub(super) fn rows_per_call(&self) -> usize {
        self.function.as_async().and_then(AsyncScalarUDF::ideal_batch_size).unwrap_or(1).max(1)
    }

    /// Evaluates the arguments, for those rows only that the guard lets through.
    pub(super) fn input(&self, batch: &RecordBatch) -> Result<Input> {
        let rows = batch.num_rows();
        let Some(guard) = &self.guard else {
            let indices = (0..rows as u32).map(Some).collect();
            return Ok(Input { arguments: self.evaluate(batch)?, indices });
        };
        let mask = guard.evaluate(batch)?.into_array(rows)?;
        let mask: BooleanArray = mask.as_boolean().iter().map(|m| Some(m == Some(true))).collect();
        let mut next = 0;
        let indices = mask.values().iter().map(|needed| {
            needed.then(|| {
                next += 1;
                next - 1
            })
        });
        let indices = indices.collect();
        let arguments = self.evaluate(&filter_record_batch(batch, &mask)?)?;
        Ok(Input { arguments, indices })
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = batch.num_rows();
        self.arguments.iter().map(|a| a.evaluate(batch)?.into_array(rows)).collect()
    }

    /// The answers for a range of the batch's rows.
    async fn answer(&self, input: &Input, rows: Range<usize>, shared: &Shared) -> Result<ArrayRef> {
        let (sources, values) = self.ask(input, rows, shared)?;
        let answers = try_join_all(sources).await.map_err(DataFusionError::Shared)?;
        let empty = new_null_array(self.return_field.data_type(), 1);
        let arrays: Vec<&dyn Array> = std::iter::once(&empty).chain(&answers).map(AsRef::as_ref).collect();
        Ok(interleave(&arrays, &values)?)
    }

    /// Starts the calls that were not made before. Gives all answers that the rows take values from, and for each row
    /// which answer (0 is NULL) and which value of it.
    fn ask(
        &self,
        input: &Input,
        rows: Range<usize>,
        shared: &Shared,
    ) -> Result<(Vec<Answer>, Vec<(usize, usize)>)> {
        let mut sources: Vec<Answer> = Vec::new();
        let mut fresh = Fresh::default();
        let mut wanted = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(index) = input.indices[row] else {
                wanted.push(Wanted::Nothing);
                continue;
            };
            let values = input.row(index)?;
            if !is_deterministic(self.function.name(), &values, &shared.settings) {
                wanted.push(Wanted::Fresh(fresh.add(index, None)));
                continue;
            }
            let key = (self.function.name().to_owned(), values);
            if let Some(known) = fresh.known.get(&key) {
                shared.call.count_deduplicated_call();
                wanted.push(Wanted::Fresh(*known));
            } else if let Some((answer, value)) = shared.memo.get(&key) {
                shared.call.count_deduplicated_call();
                sources.push(answer);
                wanted.push(Wanted::Known(sources.len(), value));
            } else {
                wanted.push(Wanted::Fresh(fresh.add(index, Some(key))));
            }
        }
        if !fresh.indices.is_empty() {
            shared.call.count_calls(fresh.indices.len());
            let answer = self.call(input, &fresh.indices, shared)?;
            for (key, value) in fresh.known {
                shared.memo.insert(key, answer.clone(), value);
            }
            sources.push(answer);
        }
        let last = sources.len();
        let values = wanted.into_iter().map(|wanted| match wanted {
            Wanted::Nothing => (0, 0),
            Wanted::Known(source, value) => (source, value),
            Wanted::Fresh(value) => (last, value),
        });
        Ok((sources, values.collect()))
    }

    fn call(&self, input: &Input, indices: &[u32], shared: &Shared) -> Result<Answer> {
        let rows = indices.len();
        let arguments = take_arrays(&input.arguments, &UInt32Array::from(indices.to_vec()), None)?;
        let arguments = ScalarFunctionArgs {
            args: arguments.into_iter().map(ColumnarValue::Array).collect(),
            arg_fields: self.argument_fields.clone(),
            number_rows: rows,
            return_field: Arc::clone(&self.return_field),
            config_options: Arc::clone(&shared.config),
        };
        let function = Arc::clone(&self.function);
        let answer = async move {
            let Some(function) = function.as_async() else {
                return Err(Arc::new(internal_datafusion_err!("{} does not ask a model", function.name())));
            };
            let answer = function.invoke_async_with_args(arguments).await.map_err(Arc::new)?;
            answer.into_array(rows).map_err(Arc::new)
        };
        Ok(answer.boxed().shared())
    }

    pub(super) fn data_type(&self) -> &DataType {
        self.return_field.data_type()
    }
}

impl Input {
    fn row(&self, index: u32) -> Result<Vec<ScalarValue>> {
        self.arguments.iter().map(|a| ScalarValue::try_from_array(a, index as usize)).collect()
    }
}

/// The rows that a new call is made for.
#[derive(Default)]
struct Fresh {
    indices: Vec<u32>,
    known: HashMap<Key, usize>,
}

impl Fresh {
    fn add(&mut self, index: u32, key: Option<Key>) -> usize {
        let position = self.indices.len();
        self.indices.push(index);
        if let Some(key) = key {
            self.known.insert(key, position);
        }
        position
    }
}

/// Where a row's value comes from.
enum Wanted {
    Nothing,
    /// An answer that was asked for before, and which value of it.
    Known(usize, usize),
    /// A value of the new call's answer.
    Fresh(usize),
}

/// Some rows of a batch with everything that their answers need.
pub(super) struct Slice {
    pub(super) batch: Arc<RecordBatch>,
    pub(super) inputs: Arc<Vec<Input>>,
    pub(super) rows: Range<usize>,
}

impl Slice {
    /// The rows with a column of answers for each call.
    pub(super) async fn answer(
        self,
        calls: Arc<Vec<PlannedCall>>,
        shared: Arc<Shared>,
        schema: SchemaRef,
    ) -> Result<RecordBatch> {
        let answers = calls
            .iter()
            .zip(self.inputs.iter())
            .map(|(call, input)| call.answer(input, self.rows.clone(), &shared));
        let answers = try_join_all(answers).await?;
        let mut columns = self.batch.slice(self.rows.start, self.rows.len()).columns().to_vec();
        columns.extend(answers);
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}
