//! `CALL verify_store()`: looks at every byte of the weights and the recorded answers, and every row of the tables.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use hyprstream_engine::{DamageRow, VerifiedStore};
use hyprstream_udfs::Function;

use super::{Arguments, Procedure, one_batch};
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;

const FUNCTION: Function = Function {
    name: "verify_store",
    parameters: &[],
    required: 0,
    reserved: &[],
    description: "Reads and checks every page of the weight store, every recorded answer and every table's rows; a row for each that is damaged.",
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("file"),
        Field::new("offset", DataType::Int64, true),
        Field::new("bytes", DataType::Int64, true),
        text("what"),
        text("adapter"),
        text("version"),
        Field::new("layer", DataType::Int32, true),
        text("module"),
        text("matrix"),
        text("reason"),
    ]))
});

/// The procedure.
pub(super) struct VerifyStore;

#[async_trait]
impl Procedure for VerifyStore {
    fn function(&self) -> &'static Function {
        &FUNCTION
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&SCHEMA)
    }

    async fn call(&self, session: &Session, _: &Arguments) -> Result<SendableRecordBatchStream> {
        let mut verified = session.database().engine().verify_store().await?;
        let database = Arc::clone(session.database());
        let of_tables = tokio::task::spawn_blocking(move || database.tables.damages()).await;
        let of_tables = of_tables.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        verified.damages.extend(of_tables);
        notices(&verified).into_iter().for_each(session.progress());
        one_batch(&SCHEMA, columns(&verified.damages))
    }
}

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

fn columns(damages: &[DamageRow]) -> Vec<ArrayRef> {
    let text = |value: fn(&DamageRow) -> Option<&String>| -> ArrayRef {
        let values = damages.iter().map(|damage| value(damage).map(String::as_str));
        Arc::new(values.collect::<StringArray>())
    };
    let number = |value: fn(&DamageRow) -> Option<u64>| -> ArrayRef {
        let values = damages.iter().map(|damage| value(damage).map(|number| number as i64));
        Arc::new(values.collect::<Int64Array>())
    };
    let layers = damages.iter().map(|damage| damage.layer.map(|layer| layer as i32));
    vec![
        text(|damage| Some(&damage.file)),
        number(|damage| Some(damage.offset)),
        number(|damage| damage.bytes),
        text(|damage| Some(&damage.what)),
        text(|damage| damage.adapter.as_ref()),
        text(|damage| damage.version.as_ref()),
        Arc::new(layers.collect::<Int32Array>()),
        text(|damage| damage.module.as_ref()),
        text(|damage| damage.matrix.as_ref()),
        text(|damage| Some(&damage.reason)),
    ]
}
