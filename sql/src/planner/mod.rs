//! Where the model runs in a plan.
//!
//! `DataFusion` plans calls of `generate`, `embed` and `score` as expressions. [`hoist`] moves each into an operator of
//! its own, [`inference`], which keeps many rows going at once, in order, and hands rows on as they are ready.
//! [`from`] plans the same functions in FROM, alone or LATERAL to what stands before them. [`query_planner`] turns
//! both into physical operators and sees to it that nothing above them holds rows back. [`unread`] drops calls whose
//! answers nobody reads. [`bytes`] reads text as bytes in the way of Postgres.

mod bytes;
mod from;
mod hoist;
mod inference;
mod memo;
mod query_planner;
mod rows_exec;
mod rows_node;
mod unread;

use datafusion::logical_expr::Expr;

pub(crate) use bytes::BytesFromText;
pub(crate) use from::{LateralRule, RelationPlanning};
pub(crate) use hoist::HoistInference;
pub(crate) use memo::Memo;
pub(crate) use query_planner::{QueryPlanning, uses_model};
pub(crate) use unread::DropUnreadCalls;

/// True for a call of the model itself.
fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.as_async().is_some())
}
