//! Sessions over a real engine and the bundled model.

mod errors;
mod inference;
mod plans;
mod procedures;
mod settings;
mod stored_tables;
mod support;
mod tables;
