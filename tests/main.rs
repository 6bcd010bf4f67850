//! The whole product through its real servers: every test starts the real server binary on a data directory
//! of its own and talks to it with clients that exist outside this project. Only where thousands of starts are needed,
//! `recovery::flips` opens data directories in this process.

mod clients;
mod commands;
mod documentation;
mod harness;
mod learning;
mod recovery;
