//! What is decided on the syntax tree, before planning: named arguments, functions in FROM, column names, operators.

mod column_names;
mod field_access;
mod functions_in_from;
pub(crate) mod named_arguments;
mod operators;
pub(crate) mod syntax;

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    Expr, Select, Statement as SqlStatement, TableFactor, VisitMut, VisitorMut,
};

use crate::error::{Error, Result};

/// Rewrites a statement into what the planner takes.
pub(crate) fn rewrite(ast: Ast) -> Result<Ast> {
    match ast {
        Ast::Statement(mut statement) => {
            rewrite_statement(&mut statement)?;
            Ok(Ast::Statement(statement))
        }
        Ast::Explain(mut explain) => {
            explain.statement = Box::new(rewrite(*explain.statement)?);
            Ok(Ast::Explain(explain))
        }
        Ast::CopyTo(mut copy) => {
            if let CopyToSource::Query(query) = &mut copy.source {
                visit(query.as_mut())?;
            }
            Ok(Ast::CopyTo(copy))
        }
        other => Ok(other),
    }
}

fn rewrite_statement(statement: &mut SqlStatement) -> Result<()> {
    // A procedure's arguments are bound when it is called.
    if matches!(statement, SqlStatement::Call(_)) {
        return Ok(());
    }
    visit(statement)
}

fn visit(node: &mut impl VisitMut) -> Result<()> {
    match node.visit(&mut Rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<Error>;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        column_names::name_columns(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match functions_in_from::rewrite(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        field_access::rewrite(expr);
        match named_arguments::rewrite(expr).and_then(|()| operators::rewrite(expr)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}
