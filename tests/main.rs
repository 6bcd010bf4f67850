//! The whole product through its real doors: every test starts the real server binary on a data directory
//! of its own and talks to it with clients that exist outside this project.

mod harness;

mod adapters;
mod cancel;
mod cli;
mod documentation;
mod durability;
mod flight;
mod integrity;
mod kill;
mod prepared;
mod psql;
mod psql_adapter;
mod recording;
mod repl;
mod settings;
mod slt;
mod streaming;
