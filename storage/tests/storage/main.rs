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
    reason = "a test stops at what it did not expect"
)]

mod crash_safety {
    mod crashes;
    mod faults;
    mod group;
    mod interleavings;
    mod log;
    mod parts;
    mod processes;
}
mod grid {
    mod checkpoints;
    mod copies;
    mod damage;
    mod golden;
    mod metadata;
    mod model;
    mod readers;
    mod selections;
    mod updates;
}
mod index;
mod nvdb {
    mod damage;
    mod export;
}
mod parts;
mod support;
mod trajectories {
    mod copies;
    mod flips;
    mod following;
    mod log;
    mod summaries;
}
