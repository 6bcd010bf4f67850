//! `FROM t, generate(t.c)` means `FROM t, LATERAL generate(t.c)`, as in Postgres.

use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr, TableFactor};
use hyprstream_udfs::{STORED_FUNCTIONS, STREAMING_FUNCTIONS};

use crate::error::Result;
use crate::rewrite::named_arguments::{bind, find};

/// Marks a call of one of our functions in FROM as lateral.
pub(super) fn rewrite(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } = factor else {
        return Ok(());
    };
    // These take no columns, so they are tables like any other; their named arguments are put in order here.
    if let Some(function) = find(name, STORED_FUNCTIONS.iter().map(|entry| &entry.function)) {
        let bound = bind(function, std::mem::take(&mut args.args))?;
        args.args =
            bound.into_iter().flatten().map(|v| FunctionArg::Unnamed(FunctionArgExpr::Expr(v))).collect();
        return Ok(());
    }
    if find(name, STREAMING_FUNCTIONS.iter().map(|entry| &entry.function)).is_none() {
        return Ok(());
    }
    *factor = TableFactor::Function {
        lateral: true,
        name: name.clone(),
        args: std::mem::take(&mut args.args),
        with_ordinality: *with_ordinality,
        alias: alias.take(),
    };
    Ok(())
}
