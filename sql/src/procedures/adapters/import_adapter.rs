//! `CALL import_adapter(…)`: publishes the weights of a file that `export_adapter` wrote as the next version of an
//! adapter.

use futures::FutureExt;
use hyprstream_engine::{AdapterRow, ImportRequest, record_path};
use hyprstream_udfs::{Function, Kind, parameter};

use crate::procedures::adapters::columns::version;
use crate::procedures::procedure::{Procedure, one};

pub(crate) static IMPORT_ADAPTER: Procedure<AdapterRow> = Procedure {
    function: Function {
        name: "import_adapter",
        parameters: &[
            parameter("name", Kind::Text),
            parameter("path", Kind::Text),
            parameter("format", Kind::Text),
            parameter("base_model", Kind::Text),
        ],
        required: 2,
    },
    columns: version,
    run: |session, arguments| {
        async move {
            let files = &session.database().files;
            let path = files.readable(arguments.required_name("path")?)?;
            // The record is read too, so it must not be a link that leads elsewhere.
            let record = record_path(&path);
            if record.exists() {
                files.readable(&record.to_string_lossy())?;
            }
            let request = ImportRequest {
                name: arguments.required_name("name")?.to_owned(),
                path,
                format: arguments.text("format")?.map(str::parse).transpose()?.unwrap_or_default(),
                base_model: arguments.text("base_model")?.map(str::to_owned),
            };
            Ok(one(session.engine().import_adapter(request).await?))
        }
        .boxed()
    },
};
