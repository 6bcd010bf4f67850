//! A session: what one connection has. [`core`] holds its settings, its transaction block and its notices, [`planning`]
//! takes a statement's syntax tree to rows. What each kind of statement does is in [`statements`](crate::statements).

pub(crate) mod core;
pub(crate) mod guarded_rows;
pub(crate) mod parameters;
pub(crate) mod planning;
pub(crate) mod transaction;
