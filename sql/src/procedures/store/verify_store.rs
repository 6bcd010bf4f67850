//! `CALL verify_store()`: reads and checks every page of the weight store, every recorded answer and every table's
//! rows; a row for each that is damaged.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt;
use hyprstream_engine::{DamageRow, VerifiedStore};
use hyprstream_udfs::Function;

use crate::error::Error;
use crate::procedures::procedure::{Procedure, listed};

pub(crate) static VERIFY_STORE: Procedure<DamageRow> = Procedure {
    function: Function { name: "verify_store", parameters: &[], required: 0 },
    columns: |columns| {
        columns
            .text("file", |r| Some(&r.file))
            .bigint("offset", |r| Some(r.offset))
            .bigint("bytes", |r| r.bytes)
            .text("what", |r| Some(&r.what))
            .text("adapter", |r| r.adapter.as_deref())
            .text("version", |r| r.version.as_deref())
            .integer("layer", |r| r.layer)
            .text("module", |r| r.module.as_deref())
            .text("matrix", |r| r.matrix.as_deref())
            .text("reason", |r| Some(&r.reason))
    },
    run: |session, _| {
        async move {
            let mut verified = session.engine().verify_store().await?;
            let database = Arc::clone(session.database());
            let tables = tokio::task::spawn_blocking(move || database.tables.damages()).await;
            let tables = tables.map_err(Error::internal)?;
            // A part whose checksums are wrong is known already; one that is no Parquet in spite of them is not.
            let of_tables = verified.damages.iter().filter(|damage| damage.file.starts_with("tables/"));
            let known: HashSet<String> = of_tables.map(|damage| damage.file.clone()).collect();
            verified.damages.extend(tables.into_iter().filter(|damage| !known.contains(&damage.file)));
            notices(&verified).into_iter().for_each(session.progress());
            Ok(listed(verified.damages))
        }
        .boxed()
    },
};

/// What was looked at, in words.
fn notices(verified: &VerifiedStore) -> Vec<String> {
    let VerifiedStore { pages, records, leaked_bytes, damages } = verified;
    let found = match damages.len() {
        0 => "no damage".to_owned(),
        1 => "1 place is damaged".to_owned(),
        count => format!("{count} places are damaged"),
    };
    let mut notices = vec![
        format!("{records} recorded answers checked"),
        "the rows of all tables read".to_owned(),
        format!("{pages} pages checked, {found}"),
    ];
    if *leaked_bytes > 0 {
        notices.push(format!(
            "{leaked_bytes} bytes are marked as used and nothing refers to them; CALL compact() gives them back"
        ));
    }
    notices
}
