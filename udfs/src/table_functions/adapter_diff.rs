//! `FROM adapter_diff('name@2', 'name@3')`: the weights in which two versions differ, a row a weight.

use std::fmt;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Float32Array;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};
use datafusion::execution::TaskContext;
use hyprstream_engine::{Engine, WeightDifferenceBatch};

use crate::engine_table::scan::Scan;
use crate::engine_table::source::{Batches, EngineSource};
use crate::engine_table::table::EngineTable;
use crate::error::external;
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;
use crate::table_functions::weights::{Matrix, described, named_version, weight_filter, weight_schema};

/// `adapter_diff`, whose arguments are texts that are written out.
pub(super) const ADAPTER_DIFF: Function = Function {
    name: "adapter_diff",
    parameters: &[parameter("old", Kind::Text), parameter("new", Kind::Text)],
    required: 2,
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| weight_schema(&["old_value", "new_value"]));

/// Plans calls of `adapter_diff`.
#[derive(Debug)]
pub(super) struct AdapterDiff {
    engine: Arc<Engine>,
}

impl AdapterDiff {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl TableFunctionImpl for AdapterDiff {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [old, new] = args.exprs() else {
            return plan_err!("adapter_diff takes two texts, the names of two versions, written out");
        };
        Ok(Arc::new(EngineTable::new(Differences {
            engine: Arc::clone(&self.engine),
            old: named_version(ADAPTER_DIFF.name, &self.engine, old)?,
            new: named_version(ADAPTER_DIFF.name, &self.engine, new)?,
        })))
    }
}

/// The differences between two versions, of one adapter or of two.
#[derive(Debug)]
struct Differences {
    engine: Arc<Engine>,
    old: String,
    new: String,
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.old, self.new)
    }
}

impl EngineSource for Differences {
    fn operator(&self) -> &'static str {
        "AdapterDiffExec"
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn narrowed(&self, scan: &Scan) -> String {
        described(scan)
    }

    fn batches(&self, scan: &Scan, _: &TaskContext) -> Result<Batches> {
        let differences = self.engine.adapter_diff(&self.old, &self.new, &weight_filter(scan));
        let differences = differences.map_err(external)?;
        Ok(Box::new(differences.map(|differences| batch(&differences.map_err(external)?))))
    }
}

fn batch(differences: &WeightDifferenceBatch) -> Result<RecordBatch> {
    let matrix = Matrix { layer: differences.layer, module: &differences.module, kind: differences.matrix };
    let mut columns = matrix.coordinates(&differences.rows, &differences.cols);
    columns.push(Arc::new(Float32Array::from(differences.old_values.clone())));
    columns.push(Arc::new(Float32Array::from(differences.new_values.clone())));
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
