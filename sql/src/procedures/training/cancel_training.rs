//! `CALL cancel_training(…)`: stops a training run within a step; nothing is published.

use futures::FutureExt;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::procedure::{Procedure, one};

pub(crate) static CANCEL_TRAINING: Procedure<u64> = Procedure {
    function: Function {
        name: "cancel_training",
        parameters: &[parameter("run_id", Kind::Integer)],
        required: 1,
    },
    columns: |columns| columns.bigint("run_id", |run| Some(*run)),
    run: |session, arguments| {
        async move {
            let run = arguments.required_integer("run_id")?;
            session.engine().cancel_training(run)?;
            Ok(one(run))
        }
        .boxed()
    },
};
