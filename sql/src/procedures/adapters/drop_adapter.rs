//! `CALL drop_adapter(…)`: drops an adapter with all its versions, or one version.

use futures::FutureExt;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::{Dropped, dropped};
use crate::procedures::procedure::{Procedure, one};

pub(crate) static DROP_ADAPTER: Procedure<Dropped> = Procedure {
    function: Function { name: "drop_adapter", parameters: &[parameter("name", Kind::Text)], required: 1 },
    columns: dropped,
    run: |session, arguments| {
        async move {
            let name = arguments.required_name("name")?;
            let versions = session.engine().drop_adapter(name)?;
            Ok(one(Dropped { name: name.to_owned(), versions }))
        }
        .boxed()
    },
};
