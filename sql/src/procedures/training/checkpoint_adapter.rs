//! `CALL checkpoint_adapter(…)`: keeps the weights and the optimizer of a running training run, or the weights of an
//! adapter's latest version.

use futures::FutureExt;
use hyprstream_engine::CheckpointRow;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::procedure::{Procedure, one};

pub(crate) static CHECKPOINT_ADAPTER: Procedure<CheckpointRow> = Procedure {
    function: Function {
        name: "checkpoint_adapter",
        parameters: &[parameter("name", Kind::Text)],
        required: 1,
    },
    columns: |columns| {
        columns
            .bigint("id", |r| Some(r.id))
            .text("adapter", |r| Some(&r.adapter))
            .bigint("run_id", |r| r.run_id)
            .bigint("step", |r| Some(r.step))
            .real("loss", |r| r.loss)
    },
    run: |session, arguments| {
        async move { Ok(one(session.engine().checkpoint_adapter(arguments.required_name("name")?).await?)) }
            .boxed()
    },
};
