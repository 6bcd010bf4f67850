//! `CALL thaw_adapter(…)`: stores what a version alone holds without compression, as before it was frozen.

use futures::FutureExt;
use hyprstream_engine::RecodedAdapter;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::recoded;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static THAW_ADAPTER: Procedure<RecodedAdapter> = Procedure {
    function: Function { name: "thaw_adapter", parameters: &[parameter("name", Kind::Text)], required: 1 },
    columns: recoded,
    run: |session, arguments| {
        async move { Ok(one(session.engine().thaw_adapter(arguments.required_name("name")?).await?)) }.boxed()
    },
};
