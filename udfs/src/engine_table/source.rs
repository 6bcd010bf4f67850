//! What a table over the engine reads from.

use std::fmt::{Debug, Display};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::TaskContext;

use crate::engine_table::scan::Scan;

/// Rows as they are read, each batch with all columns of the table.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// What a table over the engine reads from; it displays as what it is called in plans.
pub trait EngineSource: Debug + Display + Send + Sync {
    /// The name of its operator in plans.
    fn operator(&self) -> &'static str;

    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// The unique column in whose order the rows come, in either direction, if they come in such an order.
    fn key(&self) -> Option<&'static str> {
        None
    }

    /// What is read of it, as plans show it: each part after a comma.
    fn narrowed(&self, _: &Scan) -> String {
        String::new()
    }

    /// The rows that a query reads. They may be more than what it asks for, never fewer. Columns that it does not
    /// look at may be NULL.
    fn batches(&self, scan: &Scan, context: &TaskContext) -> Result<Batches>;
}
