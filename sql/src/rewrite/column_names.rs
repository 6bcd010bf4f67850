//! Columns without a name get the one that Postgres gives them: a call the name of its function.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem};

use crate::rewrite::field_access;

/// Names the columns of a SELECT that have none. `DataFusion` wants names to differ, so a second one is numbered.
pub(super) fn name_columns(select: &mut Select) {
    let mut taken: HashSet<String> = select.projection.iter().filter_map(given_name).collect();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        let Some(name) = natural_name(expr) else { continue };
        let name = unused(&name, &taken);
        taken.insert(name.clone());
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
    }
}

fn given_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().map(|n| n.value.clone()),
        _ => None,
    }
}

fn natural_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Function(call) => {
            let name = &call.name.0.last()?.as_ident()?.value;
            // These expand to several columns, or are named by what the planner makes of them.
            (!name.eq_ignore_ascii_case("unnest")).then(|| name.to_lowercase())
        }
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::CompoundFieldAccess { .. } => field_access::field_name(expr),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => natural_name(expr),
        _ => None,
    }
}

fn unused(name: &str, taken: &HashSet<String>) -> String {
    if !taken.contains(name) {
        return name.to_owned();
    }
    let mut number = 2;
    loop {
        let numbered = format!("{name}_{number}");
        if !taken.contains(&numbered) {
            return numbered;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::parse;

    fn rewritten(text: &str) -> String {
        parse(text).unwrap()[0].ast.as_ref().unwrap().to_string()
    }

    #[test]
    fn calls_are_named_after_their_functions() {
        assert_eq!(
            rewritten("SELECT lower(a), count(*), b, Generate('x') FROM t"),
            "SELECT lower(a) AS \"lower\", count(*) AS \"count\", b, Generate('x') AS \"generate\" FROM t"
        );
    }

    #[test]
    fn a_second_column_of_the_same_name_is_numbered() {
        assert_eq!(
            rewritten("SELECT score('a', 'b'), score('a', 'c'), x AS score_2 FROM t"),
            "SELECT score('a', 'b') AS \"score\", score('a', 'c') AS \"score_3\", x AS score_2 FROM t"
        );
    }
}
