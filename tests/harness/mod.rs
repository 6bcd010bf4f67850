//! What the tests share.

mod command;
mod connection;
mod environment;
mod server;
mod training;

pub use command::{all_output, hyprstream, psql};
pub use connection::{Connection, SqlError};
pub use environment::{count, is_full, program, root};
pub use server::Server;
pub use training::{TrainedServer, create_lessons, exact_share, train, training_call};
