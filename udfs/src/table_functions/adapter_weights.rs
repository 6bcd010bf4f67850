//! `FROM adapter_weights('name@version')`: the weights of an adapter, a row a stored value.

use std::fmt;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Float32Array;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};
use hyprstream_engine::{Engine, WeightBatch, WeightFilter};

use crate::error;
use crate::parameters::ADAPTER_WEIGHTS;
use crate::weight_table::{Batches, WeightSource, WeightTable, fields, named_version, places};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(fields(&["value"]))));

/// The function in FROM.
#[derive(Debug)]
pub struct AdapterWeights {
    engine: Arc<Engine>,
}

impl AdapterWeights {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl TableFunctionImpl for AdapterWeights {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [adapter] = args.exprs() else {
            return plan_err!("adapter_weights takes one text, the adapter's name, written out");
        };
        let adapter = named_version(ADAPTER_WEIGHTS.name, &self.engine, adapter)?;
        let version = Version(format!("{}@{}", adapter.name, adapter.version));
        Ok(WeightTable::provider(&self.engine, version))
    }
}

/// One version.
#[derive(Debug)]
struct Version(String);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl WeightSource for Version {
    const OPERATOR: &'static str = "AdapterWeightsExec";

    fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn batches(&self, engine: &Engine, filter: &WeightFilter) -> Result<Batches> {
        let weights = engine.adapter_weights(&self.0, filter).map_err(error::external)?;
        Ok(Box::new(weights.map(|weights| batch(&weights.map_err(error::external)?))))
    }
}

fn batch(weights: &WeightBatch) -> Result<RecordBatch> {
    let matrix = (weights.layer, weights.module.as_str(), weights.matrix);
    let mut columns = places(matrix, &weights.rows, &weights.cols);
    columns.push(Arc::new(Float32Array::from(weights.values.clone())));
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
