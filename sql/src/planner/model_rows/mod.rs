//! Functions in FROM whose rows come as the model makes them: `generate('…', name => …)`, alone or LATERAL to the
//! relations before them.

pub(super) mod exec;
pub(crate) mod lateral;
pub(super) mod node;
pub(crate) mod relation;
