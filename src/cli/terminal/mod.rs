//! What the commands share: how they end, the lines that people type, and the statements that they run.

pub(super) mod exit;
pub(super) mod lines;
pub(super) mod statement;
