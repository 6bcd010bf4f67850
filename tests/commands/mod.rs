//! The program as a person runs it.

mod cli;
mod repl;
