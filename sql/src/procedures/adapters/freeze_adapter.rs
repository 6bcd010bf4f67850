//! `CALL freeze_adapter(…)`: compresses what a version alone holds; it answers as before and is read more slowly.

use futures::FutureExt;
use hyprstream_engine::{FrozenFormat, RecodedAdapter};
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::recoded;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static FREEZE_ADAPTER: Procedure<RecodedAdapter> = Procedure {
    function: Function {
        name: "freeze_adapter",
        parameters: &[parameter("name", Kind::Text), parameter("compression", Kind::Text)],
        required: 1,
    },
    columns: recoded,
    run: |session, arguments| {
        async move {
            let name = arguments.required_name("name")?;
            let format = arguments.text("compression")?.map(str::parse::<FrozenFormat>).transpose()?;
            Ok(one(session.engine().freeze_adapter(name, format.unwrap_or_default()).await?))
        }
        .boxed()
    },
};
