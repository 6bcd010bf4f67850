//! `CALL tag_adapter(…)`: points a tag at a version, moving it when it is there already.

use futures::FutureExt;
use hyprstream_engine::AdapterRow;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::version;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static TAG_ADAPTER: Procedure<AdapterRow> = Procedure {
    function: Function {
        name: "tag_adapter",
        parameters: &[parameter("name", Kind::Text), parameter("tag", Kind::Text)],
        required: 2,
    },
    columns: version,
    run: |session, arguments| {
        async move {
            let (name, tag) = (arguments.required_name("name")?, arguments.required_name("tag")?);
            Ok(one(session.engine().tag_adapter(name, tag)?))
        }
        .boxed()
    },
};
