//! `CALL restore_adapter(…)`: publishes a new version with the weights of an earlier one or of a checkpoint.

use futures::FutureExt;
use hyprstream_engine::{AdapterRow, RestoreSource};
use hyprstream_udfs::{Function, Kind, invalid_argument, parameter};

use crate::procedures::adapters::columns::version;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static RESTORE_ADAPTER: Procedure<AdapterRow> = Procedure {
    function: Function {
        name: "restore_adapter",
        parameters: &[
            parameter("name", Kind::Text),
            parameter("version", Kind::Version),
            parameter("checkpoint", Kind::Integer),
        ],
        required: 1,
    },
    columns: version,
    run: |session, arguments| {
        async move {
            let name = arguments.required_name("name")?;
            let source = match (arguments.text("version")?, arguments.integer("checkpoint")?) {
                (Some(version), None) => RestoreSource::Version(version.to_owned()),
                (None, Some(checkpoint)) => RestoreSource::Checkpoint(checkpoint),
                _ => {
                    let reason = "exactly one of the two must be given";
                    return Err(invalid_argument("version", "and checkpoint", reason).into());
                }
            };
            Ok(one(session.engine().restore_adapter(name, &source)?))
        }
        .boxed()
    },
};
