//! What restarts, kills and damage leave.

mod backup;
mod durability;
mod flips;
mod integrity;
mod kill;
mod space;
mod upgrade;
