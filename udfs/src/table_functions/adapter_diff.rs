//! `FROM adapter_diff('name@2', 'name@3')`: the weights in which two versions differ, a row a weight.

use std::fmt;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Float32Array;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_err};
use hyprstream_engine::{Engine, WeightDifferenceBatch, WeightFilter};

use crate::error;
use crate::parameters::ADAPTER_DIFF;
use crate::weight_table::{Batches, WeightSource, WeightTable, fields, named_version, places};

static SCHEMA: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(fields(&["old_value", "new_value"]))));

/// The function in FROM.
#[derive(Debug)]
pub struct AdapterDiff {
    engine: Arc<Engine>,
}

impl AdapterDiff {
    /// The function over an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl TableFunctionImpl for AdapterDiff {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let [old, new] = args.exprs() else {
            return plan_err!("adapter_diff takes two texts, the names of two versions, written out");
        };
        let named = |argument| {
            let adapter = named_version(ADAPTER_DIFF.name, &self.engine, argument)?;
            Ok::<_, datafusion::error::DataFusionError>(format!("{}@{}", adapter.name, adapter.version))
        };
        let versions = Versions { old: named(old)?, new: named(new)? };
        Ok(WeightTable::provider(&self.engine, versions))
    }
}

/// Two versions, of one adapter or of two.
#[derive(Debug)]
struct Versions {
    old: String,
    new: String,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.old, self.new)
    }
}

impl WeightSource for Versions {
    const OPERATOR: &'static str = "AdapterDiffExec";

    fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn batches(&self, engine: &Engine, filter: &WeightFilter) -> Result<Batches> {
        let differences = engine.adapter_diff(&self.old, &self.new, filter);
        let differences = differences.map_err(error::external)?;
        Ok(Box::new(differences.map(|differences| batch(&differences.map_err(error::external)?))))
    }
}

fn batch(differences: &WeightDifferenceBatch) -> Result<RecordBatch> {
    let matrix = (differences.layer, differences.module.as_str(), differences.matrix);
    let mut columns = places(matrix, &differences.rows, &differences.cols);
    columns.push(Arc::new(Float32Array::from(differences.old_values.clone())));
    columns.push(Arc::new(Float32Array::from(differences.new_values.clone())));
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
}
