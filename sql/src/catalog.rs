//! The catalog: the users' tables in `public`, ours in `hyprstream`, both by their bare names.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;

use crate::classify::{KnownNames, classify};
use crate::error::Error;
use crate::tables::SystemTables;
use crate::user_tables::external::{ExternalTable, FilePaths};
use crate::user_tables::provider::{BrokenProvider, StoredProvider};
use crate::user_tables::store::UserTables;
use crate::user_tables::table::{StoredTable, UserTable};

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
            Some(UserTable::Stored(table)) => Ok(Some(self.stored(table))),
            Some(UserTable::External(table)) => match planner.as_ref().and_then(|p| p.get()) {
                Some(state) => Ok(Some(self.external(state, name, &table).await)),
                None => Ok(None),
            },
            Some(UserTable::Damaged(reason)) => {
                Ok(Some(Arc::new(BrokenProvider::new(Arc::new(Schema::empty()), reason))))
            }
            None => self.system.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.get(name).is_some() || self.system.table_exist(name)
    }
}

/// A table that cannot be read is listed with all others, so none of these fails.
impl UserSchema {
    fn stored(&self, table: Arc<StoredTable>) -> Arc<dyn TableProvider> {
        match self.defaults(&table) {
            Ok(defaults) => Arc::new(StoredProvider::new(table, Arc::clone(&self.tables), defaults)),
            Err(error) => {
                let reason = unreadable(&table.name, &classify(&error, self));
                Arc::new(BrokenProvider::new(Arc::clone(&table.schema), reason))
            }
        }
    }

    async fn external(
        &self,
        state: &SessionState,
        name: &str,
        table: &ExternalTable,
    ) -> Arc<dyn TableProvider> {
        let loaded = table.load(state, &self.files).await;
        let loaded = loaded.map_err(|error| unreadable(name, &classify(&error, self)));
        self.tables.loaded(name, &table.statement, loaded.clone());
        match loaded {
            Ok(loaded) => loaded.provider,
            Err(reason) => {
                let columns = table.declared_columns(state).await;
                let columns = columns.unwrap_or_else(|_| Arc::new(Schema::empty()));
                Arc::new(BrokenProvider::new(columns, reason))
            }
        }
    }

    fn defaults(&self, table: &StoredTable) -> Result<HashMap<String, Expr>> {
        let mut defaults: HashMap<String, Expr> = HashMap::new();
        let planner = self.state.upgrade();
        if let Some(state) = planner.as_ref().and_then(|p| p.get()) {
            for (column, text) in table.defaults() {
                let expr = state.create_logical_expr(text, &DFSchema::empty())?;
                defaults.insert(column.clone(), expr);
            }
        }
        Ok(defaults)
    }
}

impl KnownNames for UserSchema {
    fn tables(&self) -> Vec<String> {
        self.tables.names()
    }

    fn functions(&self) -> Vec<String> {
        Vec::new()
    }

    fn table_functions(&self) -> Vec<String> {
        Vec::new()
    }
}

fn unreadable(name: &str, error: &Error) -> Error {
    let named = Error::new(error.kind(), format!("table \"{name}\" cannot be read: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}
