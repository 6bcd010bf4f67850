//! What restarts, kills and damage leave.

mod durability;
mod integrity;
mod kill;
