//! Calls of the model and the nodes that run them, as plans hold them.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode};

/// True for a call of the model itself.
pub(super) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.as_async().is_some())
}

/// True when a call of the model is in the expression.
pub(super) fn asks_model(expr: &Expr) -> bool {
    expr.exists(|e| Ok(is_call(e))).unwrap_or(false)
}

/// The node of this type that a plan is, if it is one.
pub(super) fn extension<N: UserDefinedLogicalNode + 'static>(plan: &LogicalPlan) -> Option<&N> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// A plan that is this node.
pub(super) fn into_plan(node: impl UserDefinedLogicalNode + 'static) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}
