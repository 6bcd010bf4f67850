//! `CALL train_adapter(…)`: trains an adapter on the prompts and completions of a query, a row a step, and publishes its
//! next version.

use futures::{FutureExt, StreamExt, TryStreamExt};
use hyprstream_engine::{TrainRequest, TrainingEvent, TrainingStepRow};
use hyprstream_udfs::{Arguments, Function, Kind, external, parameter};

use crate::error::Result;
use crate::procedures::procedure::{Procedure, Rows};
use crate::procedures::training::training_data::read;
use crate::session::core::Session;

pub(crate) static TRAIN_ADAPTER: Procedure<TrainingStepRow> = Procedure {
    function: Function {
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
    },
    columns: |columns| {
        columns
            .bigint("run_id", |r| Some(r.run_id))
            .bigint("step", |r| Some(r.step))
            .real("epoch", |r| Some(r.epoch))
            .real("loss", |r| Some(r.loss))
            .real("val_loss", |r| r.val_loss)
            .real("learning_rate", |r| Some(r.learning_rate))
            .real("tokens_per_s", |r| Some(r.tokens_per_s))
            .double("elapsed_ms", |r| Some(r.elapsed_ms))
    },
    run: |session, arguments| train(session, arguments).boxed(),
};

async fn train(session: &Session, arguments: Arguments<'_>) -> Result<Rows<TrainingStepRow>> {
    let mut request = request(arguments)?;
    if request.base_model.is_none() {
        request.base_model = default_model(session)?;
    }
    let training = read(session, "training_data_query", &request.data_query).await?;
    (request.pairs, request.skipped) = (training.pairs, training.skipped);
    if let Some(query) = arguments.text("validation_data_query")? {
        request.validation = read(session, "validation_data_query", query).await?.pairs;
    }
    let run = session.engine().train(request).await?;
    let notice = session.progress();
    let steps = run.map_err(external).try_filter_map(move |event| {
        let step = step(event, &notice);
        async move { Ok(step.map(|step| vec![step])) }
    });
    Ok(steps.boxed())
}

fn default_model(session: &Session) -> Result<Option<String>> {
    let model = session.setting("hyprstream.default_model")?;
    Ok((!model.is_empty()).then_some(model))
}

fn request(arguments: Arguments<'_>) -> hyprstream_engine::Result<TrainRequest> {
    Ok(TrainRequest {
        name: arguments.required_name("name")?.to_owned(),
        base_model: arguments.text("base_model")?.map(str::to_owned),
        data_query: arguments.required_name("training_data_query")?.to_owned(),
        r: arguments.integer("r")?,
        lora_alpha: arguments.float("lora_alpha")?,
        target_modules: arguments.separated_texts("target_modules")?,
        lora_dropout: arguments.float("lora_dropout")?,
        learning_rate: arguments.float("learning_rate")?,
        epochs: arguments.integer("epochs")?,
        batch_size: arguments.integer("batch_size")?,
        max_seq_len: arguments.integer("max_seq_len")?,
        lr_scheduler_type: arguments.text("lr_scheduler_type")?.map(str::to_owned),
        warmup_ratio: arguments.float("warmup_ratio")?,
        max_grad_norm: arguments.float("max_grad_norm")?,
        weight_decay: arguments.float("weight_decay")?,
        sparsity: arguments.float("sparsity")?,
        seed: arguments.integer("seed")?,
        ..TrainRequest::default()
    })
}

/// The step that a run reports; whatever else it reports goes to the client as a notice.
fn step(event: TrainingEvent, notice: &impl Fn(String)) -> Option<TrainingStepRow> {
    match event {
        TrainingEvent::Step(step) => return Some(step),
        TrainingEvent::Started { run_id, total_steps, examples, skipped } => {
            let left_out =
                if skipped == 0 { String::new() } else { format!(", {skipped} rows with NULL left out") };
            notice(format!("run {run_id}: {total_steps} steps over {examples} examples{left_out}"));
        }
        TrainingEvent::Progress(message) => notice(message),
        TrainingEvent::Published { name, version } => notice(format!("{name}@{version} is published")),
    }
    None
}
