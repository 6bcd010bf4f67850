//! `CALL export_adapter(…)`: writes a version to a file, and its record beside it.

use futures::FutureExt;
use hyprstream_engine::ExportedAdapter;
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::procedure::{Procedure, one};

pub(crate) static EXPORT_ADAPTER: Procedure<Exported> = Procedure {
    function: Function {
        name: "export_adapter",
        parameters: &[
            parameter("name", Kind::Text),
            parameter("path", Kind::Text),
            parameter("format", Kind::Text),
        ],
        required: 2,
    },
    columns: |columns| {
        columns
            .text("name", |r| Some(&r.adapter.name))
            .bigint("version", |r| Some(r.adapter.version))
            .text("path", |r| Some(&r.location))
            .bigint("matrices", |r| Some(r.adapter.matrices))
            .bigint("active_values", |r| Some(r.adapter.active_values))
            .bigint("bytes", |r| Some(r.adapter.bytes))
    },
    run: |session, arguments| {
        async move {
            let (name, location) = (arguments.required_name("name")?, arguments.required_name("path")?);
            let format = arguments.text("format")?.map(str::parse).transpose()?.unwrap_or_default();
            let path = session.database().files.writable(location)?;
            let adapter = session.engine().export_adapter(name, &path, format).await?;
            Ok(one(Exported { adapter, location: location.to_owned() }))
        }
        .boxed()
    },
};

/// What was written, and where the statement asked for it.
pub(crate) struct Exported {
    adapter: ExportedAdapter,
    location: String,
}
