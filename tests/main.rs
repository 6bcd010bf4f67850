//! The whole product through its real doors: every test starts the real server binary on a data directory
//! of its own and talks to it with clients that exist outside this project.

mod commands;
mod documentation;
mod doors;
mod harness;
mod learning;
mod recovery;
