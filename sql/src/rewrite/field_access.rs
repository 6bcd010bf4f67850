//! `(details).text`: a field of a STRUCT, as Postgres writes it.

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, Value};

use crate::rewrite::syntax::{call, folded};

/// Writes `(x).field` as the call that the planner knows.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return;
    };
    let names = access_chain.iter().map(|access| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name.clone()),
        _ => None,
    });
    let Some(names) = names.collect::<Option<Vec<Ident>>>() else {
        return;
    };
    let inner = match root.as_ref() {
        Expr::Nested(inner) => inner.as_ref().clone(),
        other => other.clone(),
    };
    *expr = names.iter().fold(inner, get_field);
}

/// The name of the field that an expression reads, for its column.
pub(super) fn field_name(expr: &Expr) -> Option<String> {
    let Expr::CompoundFieldAccess { access_chain, .. } = expr else {
        return None;
    };
    match access_chain.last()? {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name.value.clone()),
        _ => None,
    }
}

fn get_field(from: Expr, name: &Ident) -> Expr {
    let field = Expr::Value(Value::SingleQuotedString(folded(name)).into());
    call("get_field", [from, field])
}
