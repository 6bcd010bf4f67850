//! What a system table is, and how plans read it.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use hyprstream_engine::{Engine, Result as EngineResult};

use super::columns::Column;
use super::exec::{Scan, SystemTableExec};
use super::narrow::Narrow;
use crate::settings::Variables;

/// Rows as the engine gives them.
pub(super) type Rows<R> = Box<dyn Iterator<Item = EngineResult<R>> + Send>;

/// What a table reads from.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) engine: Arc<Engine>,
    /// The settings of the session that asks.
    pub(super) variables: Option<Arc<Variables>>,
    /// What the query needs, at most.
    pub(super) narrow: Narrow,
    /// The columns that the query looks at.
    pub(super) needed: BTreeSet<String>,
    /// Whether the rows are wanted with the highest key first; see [`Source::KEY`].
    pub(super) descending: bool,
}

impl Context {
    /// Whether the query looks at a column.
    pub(super) fn needs(&self, column: &str) -> bool {
        self.needed.contains(column)
    }
}

/// A system table.
pub(super) trait Source: fmt::Debug + Send + Sync + 'static {
    /// A row, as the engine has it.
    type Row: Send + Sync + 'static;

    /// The table's name.
    const NAME: &'static str;

    /// The unique column in whose order the rows come, if they come in such an order, in either direction.
    const KEY: Option<&'static str> = None;

    /// The table's columns.
    fn columns() -> Vec<Column<Self::Row>>;

    /// The rows. They may be more than what was asked for, never fewer.
    fn rows(context: &Context) -> EngineResult<Rows<Self::Row>>;
}

/// A system table as plans read it.
pub(super) struct SystemTable<S: Source> {
    engine: Arc<Engine>,
    schema: SchemaRef,
    source: PhantomData<S>,
}

impl<S: Source> fmt::Debug for SystemTable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SystemTable").field(&S::NAME).finish()
    }
}

impl<S: Source> SystemTable<S> {
    /// The table over an engine, with its name.
    pub(super) fn provider(engine: &Arc<Engine>) -> (&'static str, Arc<dyn TableProvider>) {
        let fields: Vec<_> = S::columns().into_iter().map(|column| column.field).collect();
        let schema = Arc::new(Schema::new(fields));
        (S::NAME, Arc::new(Self { engine: Arc::clone(engine), schema, source: PhantomData }))
    }
}

#[async_trait]
impl<S: Source> TableProvider for SystemTable<S> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let predicates = filters.iter().map(|f| session.create_physical_expr(f.clone(), &schema));
        let predicates: Vec<Arc<dyn PhysicalExpr>> = predicates.collect::<Result<_>>()?;
        let scan = Scan {
            name: S::NAME,
            schema: Arc::clone(&self.schema),
            projection: projection.cloned(),
            predicates,
            limit,
        };
        let needed = scan.needed().into_iter();
        let context = Context {
            engine: Arc::clone(&self.engine),
            variables: session.config().get_extension::<Variables>(),
            narrow: Narrow::new(filters, limit),
            needed: needed.map(|column| self.schema.field(column).name().clone()).collect(),
            descending: false,
        };
        Ok(Arc::new(SystemTableExec::<S>::try_new(scan, context)?))
    }
}
