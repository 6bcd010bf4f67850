//! Functions in FROM whose rows come as the model makes them.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use futures::stream::BoxStream;
use hyprstream_engine::CallContext;

use crate::settings::Settings;
use crate::signature::function::Function;

/// The rows that one call of a function in FROM gives.
pub type Rows = BoxStream<'static, Result<RecordBatch>>;

/// A function in FROM whose arguments may be columns of the relations before it.
#[async_trait]
pub trait StreamingFunction: Debug + Send + Sync {
    /// Its name and arguments.
    fn function(&self) -> &'static Function;

    /// Its columns, given those arguments that are written out; the others are `None`.
    fn schema(&self, arguments: &[Option<ScalarValue>], settings: &Settings) -> Result<SchemaRef>;

    /// Starts one call. Dropping its rows cancels it. A call over NULL has no rows.
    async fn start(
        &self,
        arguments: &[ScalarValue],
        settings: &Settings,
        context: &Arc<CallContext>,
    ) -> Result<Rows>;
}
