//! How functions and procedures declare their arguments, and how one row's values are read by name.

pub(crate) mod arguments;
pub(crate) mod function;
pub(crate) mod kind;
