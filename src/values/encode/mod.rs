//! Arrow columns as Postgres values.

mod binary;
mod column;
mod json;
mod text;

pub(crate) use column::{Column, columns};

#[cfg(test)]
mod tests;
