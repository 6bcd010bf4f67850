//! `FROM t, generate(t.c)` means `FROM t, LATERAL generate(t.c)`, as in Postgres.

use datafusion::sql::sqlparser::ast::TableFactor;
use hyprstream_udfs::TABLE_FUNCTIONS;

use super::named_arguments::find;
use crate::error::Result;

/// Marks a call of one of our functions in FROM as lateral.
pub(super) fn rewrite(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } = factor else {
        return Ok(());
    };
    if find(name, TABLE_FUNCTIONS).is_none() {
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
