//! `CALL branch_adapter(…)`: publishes a version as the first one of a new adapter; weights are shared.

use futures::FutureExt;
use hyprstream_engine::AdapterRow;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::version;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static BRANCH_ADAPTER: Procedure<AdapterRow> = Procedure {
    function: Function {
        name: "branch_adapter",
        parameters: &[parameter("source", Kind::Text), parameter("name", Kind::Text)],
        required: 2,
    },
    columns: version,
    run: |session, arguments| {
        async move {
            let (source, name) = (arguments.required_name("source")?, arguments.required_name("name")?);
            Ok(one(session.engine().branch_adapter(source, name)?))
        }
        .boxed()
    },
};
