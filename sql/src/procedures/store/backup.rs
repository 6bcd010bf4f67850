//! `CALL backup(to => …)`: a copy of the whole data directory as it is at this moment, beside all statements.

use std::sync::Arc;

use futures::FutureExt;
use hyprstream_engine::BackupReport;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::error::Error;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static BACKUP: Procedure<BackedUp> = Procedure {
    function: Function { name: "backup", parameters: &[parameter("to", Kind::Text)], required: 1 },
    columns: |columns| {
        columns
            .text("path", |r| Some(&r.location))
            .bigint("files", |r| Some(r.report.files))
            .bigint("bytes", |r| Some(r.report.bytes))
            .bigint("linked", |r| Some(r.report.linked))
    },
    run: |session, arguments| {
        async move {
            let location = arguments.required_name("to")?;
            let path = session.database().files.writable(location)?;
            let engine = Arc::clone(session.engine());
            let report = tokio::task::spawn_blocking(move || engine.backup(&path)).await;
            let report = report.map_err(Error::internal)??;
            Ok(one(BackedUp { report, location: location.to_owned() }))
        }
        .boxed()
    },
};

/// What was written, and where the statement asked for it.
pub(crate) struct BackedUp {
    report: BackupReport,
    location: String,
}
