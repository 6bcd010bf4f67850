//! `CALL rotate_adapter(…)`: drops the versions of an adapter but the newest ones and, unless told otherwise, the
//! tagged ones.

use futures::FutureExt;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::{Dropped, dropped};
use crate::procedures::procedure::{Procedure, one};

pub(crate) static ROTATE_ADAPTER: Procedure<Dropped> = Procedure {
    function: Function {
        name: "rotate_adapter",
        parameters: &[
            parameter("name", Kind::Text),
            parameter("keep_last", Kind::Integer),
            parameter("keep_tagged", Kind::Boolean),
        ],
        required: 2,
    },
    columns: dropped,
    run: |session, arguments| {
        async move {
            let name = arguments.required_name("name")?;
            let keep_last = arguments.required_integer("keep_last")?;
            let keep_tagged = arguments.boolean("keep_tagged")?.unwrap_or(true);
            let dropped = session.engine().rotate_adapter(name, keep_last, keep_tagged)?;
            Ok(one(Dropped { name: name.to_owned(), versions: dropped.len() as u64 }))
        }
        .boxed()
    },
};
