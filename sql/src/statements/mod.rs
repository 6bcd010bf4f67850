//! What statements do, by kind. [`dispatch`] is the way in: it prepares and executes any statement of a session.

mod call;
mod copy;
mod ddl;
mod dispatch;
mod dml;
mod query;
mod set;
mod show;
mod table_names;
mod transaction_block;
