//! What the storage crate promises, tried from outside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    reason = "a test stops at what it did not expect"
)]

mod checkpoints;
mod crashes;
mod damage;
mod faults;
mod following;
mod golden;
mod group;
mod int8;
mod interleavings;
mod model;
mod nvdb;
mod nvdb_damage;
mod processes;
mod readers;
mod selections;
mod support;
mod trajectories;
mod updates;
