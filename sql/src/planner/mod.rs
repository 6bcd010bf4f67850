//! Where the model runs in a plan.
//!
//! `DataFusion` plans calls of `generate`, `embed` and `score` as expressions. [`hoist`] moves each into an operator of
//! its own, [`inference`], which keeps many rows going at once, in order, and hands rows on as they are ready.
//! [`model_rows`] plans the same functions in FROM, alone or LATERAL to the relations before them. [`query_planner`]
//! turns both into physical operators and makes sure that nothing above them holds rows back. [`unused_calls`] drops
//! calls whose answers no column shows. [`bytea`] reads text as bytes in the way of Postgres.

pub(crate) mod bytea;
pub(crate) mod hoist;
mod inference;
pub(crate) mod memo;
pub(crate) mod model_rows;
mod nodes;
mod operator_call;
pub(crate) mod query_planner;
pub(crate) mod unused_calls;
