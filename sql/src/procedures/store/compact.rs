//! `CALL compact()`: writes the weight store anew without holes and gives the rest of its space back.

use futures::FutureExt;
use hyprstream_engine::CompactedStore;
use hyprstream_udfs::Function;

use crate::procedures::procedure::{Procedure, one};

pub(crate) static COMPACT: Procedure<CompactedStore> = Procedure {
    function: Function { name: "compact", parameters: &[], required: 0 },
    columns: |columns| {
        columns
            .bigint("bytes_before", |r| Some(r.bytes_before))
            .bigint("bytes_after", |r| Some(r.bytes_after))
    },
    run: |session, _| async move { Ok(one(session.engine().compact().await?)) }.boxed(),
};
