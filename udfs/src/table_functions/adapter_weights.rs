//! `FROM adapter_weights('name@version')`: the weights of an adapter, a row a stored value.

use std::fmt;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Float32Array;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};
use datafusion::execution::TaskContext;
use hyprstream_engine::{Engine, WeightBatch};

use crate::engine_table::scan::Scan;
use crate::engine_table::source::{Batches, EngineSource};
use crate::engine_table::table::EngineTable;
use crate::error::external;
use crate::signature::function::{Function, parameter};
use crate::signature::kind::Kind;
use crate::table_functions::weights::{Matrix, described, named_version, weight_filter, weight_schema};

/// `adapter_weights`, whose argument is a text that is written out.
pub(super) const ADAPTER_WEIGHTS: Function =
    Function { name: "adapter_weights", parameters: &[parameter("adapter", Kind::Text)], required: 1 };

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| weight_schema(&["value"]));

/// Plans calls of `adapter_weights`.
#[derive(Debug)]
pub(super) struct AdapterWeights {
    engine: Arc<Engine>,
}

impl AdapterWeights {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl TableFunctionImpl for AdapterWeights {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [adapter] = args.exprs() else {
            return plan_err!("adapter_weights takes one text, the adapter's name, written out");
        };
        let version = named_version(ADAPTER_WEIGHTS.name, &self.engine, adapter)?;
        Ok(Arc::new(EngineTable::new(Weights { engine: Arc::clone(&self.engine), version })))
    }
}

/// The weights of one version.
#[derive(Debug)]
struct Weights {
    engine: Arc<Engine>,
    version: String,
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}

impl EngineSource for Weights {
    fn operator(&self) -> &'static str {
        "AdapterWeightsExec"
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn narrowed(&self, scan: &Scan) -> String {
        described(scan)
    }

    fn batches(&self, scan: &Scan, _: &TaskContext) -> Result<Batches> {
        let weights = self.engine.adapter_weights(&self.version, &weight_filter(scan)).map_err(external)?;
        Ok(Box::new(weights.map(|weights| batch(&weights.map_err(external)?))))
    }
}

fn batch(weights: &WeightBatch) -> Result<RecordBatch> {
    let matrix = Matrix { layer: weights.layer, module: &weights.module, kind: weights.matrix };
    let mut columns = matrix.coordinates(&weights.rows, &weights.cols);
    columns.push(Arc::new(Float32Array::from(weights.values.clone())));
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
