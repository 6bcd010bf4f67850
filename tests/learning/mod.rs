//! What the database learns, and what it keeps of its answers.

mod adapters;
mod psql_adapter;
mod recording;
