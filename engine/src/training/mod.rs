//! Training runs: from prompt and completion pairs to a published version.
//!
//! A run is recorded before its first step and again at its end, in the store that holds the weights: the version
//! and the run's result appear in one commit. A run that is recorded as running when the directory is opened was
//! interrupted.

mod dataset;
pub(crate) mod events;
mod hyperparameters;
mod records;
pub(crate) mod request;
pub(crate) mod rows;
mod run;
pub(crate) mod runs;
