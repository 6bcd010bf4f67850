//! What an adapter is trained on: the rows of a query.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use futures::StreamExt;
use hyprstream_udfs::type_name;

use crate::error::{Error, ErrorKind, Result};
use crate::session::core::Session;

/// The prompts and completions of a query.
pub(super) struct TrainingData {
    pub(super) pairs: Vec<(String, String)>,
    /// Rows with a NULL in either, which are left out.
    pub(super) skipped: u64,
}

/// Runs the query that an argument gives.
pub(super) async fn read(session: &Session, argument: &str, query: &str) -> Result<TrainingData> {
    let about = |error: Error| Error::new(error.kind(), format!("{argument}: {}", error.message()));
    let mut stream = session.query(query).await.map_err(about)?;
    let schema = stream.schema();
    let prompt = text_column(argument, &schema, "prompt")?;
    let completion = text_column(argument, &schema, "completion")?;
    let mut found = TrainingData { pairs: Vec::new(), skipped: 0 };
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| about(session.error(&e)))?;
        let column = |i: usize| cast(batch.column(i), &DataType::Utf8).map_err(Error::internal);
        let (prompts, completions) = (column(prompt)?, column(completion)?);
        for (prompt, completion) in prompts.as_string::<i32>().iter().zip(completions.as_string::<i32>()) {
            match (prompt, completion) {
                (Some(prompt), Some(completion)) => {
                    found.pairs.push((prompt.to_owned(), completion.to_owned()));
                }
                _ => found.skipped += 1,
            }
        }
    }
    if found.pairs.is_empty() {
        let message = format!("{argument} yields no rows with a prompt and a completion: {query}");
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    Ok(found)
}

fn text_column(argument: &str, schema: &Schema, name: &str) -> Result<usize> {
    let Some((position, field)) = schema.fields().iter().enumerate().find(|(_, f)| f.name() == name) else {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let message = format!("{argument} yields no column \"{name}\"; it yields {}", names.join(", "));
        return Err(Error::new(ErrorKind::UndefinedColumn, message)
            .with_hint("Name the columns, as in SELECT question AS prompt, answer AS completion FROM …"));
    };
    if field.data_type().is_string() || field.data_type().is_null() {
        return Ok(position);
    }
    let message = format!("{argument}: column \"{name}\" must be text, not {}", type_name(field.data_type()));
    Err(Error::new(ErrorKind::DatatypeMismatch, message))
}
