//! The catalog: the users' tables in `public`, ours in `hyprstream`, both by their bare names.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;

use crate::tables::SystemTables;
use crate::user_tables::external::FilePaths;
use crate::user_tables::provider::StoredProvider;
use crate::user_tables::store::{StoredTable, UserTable, UserTables};

/// The name of the database, as Postgres clients know it.
pub(crate) const DATABASE: &str = "hyprstream";

/// The schema of the system tables.
pub(crate) const SYSTEM_SCHEMA: &str = "hyprstream";

/// The schema of the users' tables.
pub(crate) const USER_SCHEMA: &str = "public";

/// The schema of the users' tables; a name that is none of them may be a system table's.
#[derive(Debug)]
pub(crate) struct UserSchema {
    tables: Arc<UserTables>,
    system: Arc<SystemTables>,
    /// Weak, because the planner's state holds the catalog that holds this.
    state: Weak<OnceLock<SessionState>>,
    files: FilePaths,
}

/// The catalog with both schemas. `state` is set once the planner is there; it plans defaults and external tables.
pub(crate) fn catalog(
    tables: &Arc<UserTables>,
    system: &Arc<SystemTables>,
    state: &Arc<OnceLock<SessionState>>,
    files: &FilePaths,
) -> Result<Arc<dyn CatalogProvider>> {
    let catalog = MemoryCatalogProvider::new();
    let user = UserSchema {
        tables: Arc::clone(tables),
        system: Arc::clone(system),
        state: Arc::downgrade(state),
        files: files.clone(),
    };
    catalog.register_schema(USER_SCHEMA, Arc::new(user))?;
    catalog.register_schema(SYSTEM_SCHEMA, Arc::<SystemTables>::clone(system))?;
    Ok(Arc::new(catalog))
}

#[async_trait]
impl SchemaProvider for UserSchema {
    fn table_names(&self) -> Vec<String> {
        self.tables.names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let planner = self.state.upgrade();
        match self.tables.get(name) {
            Some(UserTable::Stored(table)) => Ok(Some(Arc::new(self.stored(table)?))),
            Some(UserTable::External(table)) => {
                match (&table.provider, planner.as_ref().and_then(|p| p.get())) {
                    (Some(provider), _) => Ok(Some(Arc::clone(provider))),
                    (None, Some(state)) => {
                        let provider = table.load(state, &self.files).await?;
                        self.tables.loaded(name, &table.statement, &provider);
                        Ok(Some(provider))
                    }
                    (None, None) => Ok(None),
                }
            }
            None => self.system.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.get(name).is_some() || self.system.table_exist(name)
    }
}

impl UserSchema {
    fn stored(&self, table: Arc<StoredTable>) -> Result<StoredProvider> {
        let mut defaults: HashMap<String, Expr> = HashMap::new();
        let planner = self.state.upgrade();
        if let Some(state) = planner.as_ref().and_then(|p| p.get()) {
            for (column, text) in table.defaults() {
                let expr = state.create_logical_expr(text, &DFSchema::empty())?;
                defaults.insert(column.clone(), expr);
            }
        }
        Ok(StoredProvider::new(table, Arc::clone(&self.tables), defaults))
    }
}
