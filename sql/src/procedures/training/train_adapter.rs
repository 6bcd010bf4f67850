//! `CALL train_adapter(…)`: trains an adapter on the rows of a query, a row a step.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use hyprstream_engine::{TrainRequest, TrainingEvent, TrainingStepRow};
use hyprstream_udfs::{Function, Kind, external};

use super::{Arguments, Procedure, parameter};
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "train_adapter",
    parameters: &[
        parameter("name", Kind::Text),
        parameter("base_model", Kind::Text),
        parameter("training_data_query", Kind::Text),
        parameter("validation_data_query", Kind::Text),
        parameter("r", Kind::Integer),
        parameter("lora_alpha", Kind::Float),
        parameter("target_modules", Kind::Texts),
        parameter("learning_rate", Kind::Float),
        parameter("epochs", Kind::Integer),
        parameter("batch_size", Kind::Integer),
        parameter("max_seq_len", Kind::Integer),
        parameter("lora_dropout", Kind::Float),
        parameter("lr_scheduler_type", Kind::Text),
        parameter("warmup_ratio", Kind::Float),
        parameter("max_grad_norm", Kind::Float),
        parameter("weight_decay", Kind::Float),
        parameter("sparsity", Kind::Float),
        parameter("seed", Kind::Integer),
    ],
    required: 1,
    reserved: &["ewc_lambda"],
    description: "Trains an adapter on the prompts and completions of a query, and publishes its next version.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("run_id", DataType::Int64, true),
        Field::new("step", DataType::Int64, true),
        Field::new("epoch", DataType::Float32, true),
        Field::new("loss", DataType::Float32, true),
        Field::new("val_loss", DataType::Float32, true),
        Field::new("learning_rate", DataType::Float32, true),
        Field::new("tokens_per_s", DataType::Float32, true),
        Field::new("elapsed_ms", DataType::Float64, true),
    ]))
});

/// The procedure.
pub(super) struct TrainAdapter;

#[async_trait]
impl Procedure for TrainAdapter {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, arguments: &Arguments) -> Result<SendableRecordBatchStream> {
        let mut request = request(arguments)?;
        request.base_model = arguments.text("base_model").map(str::to_owned).or(default_model(session)?);
        let training = pairs(session, "training_data_query", &request.data_query).await?;
        (request.pairs, request.skipped) = (training.pairs, training.skipped);
        if let Some(query) = arguments.text("validation_data_query") {
            request.validation = pairs(session, "validation_data_query", query).await?.pairs;
        }
        let run = session.database().engine().train(request).await?;
        let notice = session.progress();
        let rows = run.map_err(external).try_filter_map(move |event| {
            let row = row_of(&event, &notice);
            async move { row }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(SchemaRef::clone(&SCHEMA), rows)))
    }
}

fn default_model(session: &Session) -> Result<Option<String>> {
    let model = session.setting("hyprstream.default_model")?;
    Ok((!model.is_empty()).then_some(model))
}

fn request(arguments: &Arguments) -> Result<TrainRequest> {
    Ok(TrainRequest {
        name: arguments.required_text("name")?.to_owned(),
        data_query: arguments.required_text("training_data_query")?.to_owned(),
        r: arguments.integer("r")?,
        lora_alpha: arguments.float("lora_alpha")?,
        target_modules: arguments.texts("target_modules")?,
        lora_dropout: arguments.float("lora_dropout")?,
        learning_rate: arguments.float("learning_rate")?,
        epochs: arguments.integer("epochs")?,
        batch_size: arguments.integer("batch_size")?,
        max_seq_len: arguments.integer("max_seq_len")?,
        lr_scheduler_type: arguments.text("lr_scheduler_type").map(str::to_owned),
        warmup_ratio: arguments.float("warmup_ratio")?,
        max_grad_norm: arguments.float("max_grad_norm")?,
        weight_decay: arguments.float("weight_decay")?,
        sparsity: arguments.float("sparsity")?,
        seed: arguments.integer("seed")?,
        ..TrainRequest::default()
    })
}

struct Pairs {
    pairs: Vec<(String, String)>,
    skipped: u64,
}

/// The prompts and completions of a query; rows with a NULL in either are counted and left out.
async fn pairs(session: &Session, argument: &str, query: &str) -> Result<Pairs> {
    let about = |error: Error| Error::new(error.kind(), format!("{argument}: {}", error.message()));
    let mut stream = session.query(query).await.map_err(about)?;
    let schema = stream.schema();
    let prompt = text_column(argument, &schema, "prompt")?;
    let completion = text_column(argument, &schema, "completion")?;
    let mut found = Pairs { pairs: Vec::new(), skipped: 0 };
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| about(session.error(&e)))?;
        let column = |i: usize| {
            cast(batch.column(i), &DataType::Utf8).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))
        };
        let (prompts, completions) = (column(prompt)?, column(completion)?);
        for (prompt, completion) in prompts.as_string::<i32>().iter().zip(completions.as_string::<i32>()) {
            match (prompt, completion) {
                (Some(prompt), Some(completion)) => {
                    found.pairs.push((prompt.to_owned(), completion.to_owned()));
                }
                _ => found.skipped += 1,
            }
        }
    }
    if found.pairs.is_empty() {
        let message = format!("{argument} yields no rows with a prompt and a completion: {query}");
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    Ok(found)
}

fn text_column(argument: &str, schema: &Schema, name: &str) -> Result<usize> {
    let Some((place, field)) = schema.fields().iter().enumerate().find(|(_, f)| f.name() == name) else {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let message = format!("{argument} yields no column \"{name}\"; it yields {}", names.join(", "));
        return Err(Error::new(ErrorKind::UndefinedColumn, message)
            .with_hint("Name the columns, as in SELECT question AS prompt, answer AS completion FROM …"));
    };
    if field.data_type().is_string() || field.data_type().is_null() {
        return Ok(place);
    }
    let message = format!(
        "{argument}: column \"{name}\" must be text, not {}",
        hyprstream_udfs::type_name(field.data_type())
    );
    Err(Error::new(ErrorKind::DatatypeMismatch, message))
}

fn row_of(
    event: &TrainingEvent,
    notice: &impl Fn(String),
) -> datafusion::common::Result<Option<RecordBatch>> {
    match event {
        TrainingEvent::Step(step) => row(step).map(Some),
        TrainingEvent::Started { run_id, total_steps, examples, skipped } => {
            let left_out =
                if *skipped == 0 { String::new() } else { format!(", {skipped} rows with NULL left out") };
            notice(format!("run {run_id}: {total_steps} steps over {examples} examples{left_out}"));
            Ok(None)
        }
        TrainingEvent::Progress(message) => {
            notice(message.clone());
            Ok(None)
        }
        TrainingEvent::Published { name, version } => {
            notice(format!("{name}@{version} is published"));
            Ok(None)
        }
    }
}

fn row(step: &TrainingStepRow) -> datafusion::common::Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![step.run_id as i64])),
        Arc::new(Int64Array::from(vec![step.step as i64])),
        Arc::new(Float32Array::from(vec![step.epoch])),
        Arc::new(Float32Array::from(vec![step.loss])),
        Arc::new(Float32Array::from(vec![step.val_loss])),
        Arc::new(Float32Array::from(vec![step.learning_rate])),
        Arc::new(Float32Array::from(vec![step.tokens_per_s])),
        Arc::new(Float64Array::from(vec![step.elapsed_ms])),
    ];
    Ok(RecordBatch::try_new(SchemaRef::clone(&SCHEMA), columns)?)
}
