//! Small records that are read by name and have no versions: settings, conversations, the users' tables.
//!
//! They are metadata of the weight store, whose commits have one point at which they happen, and whose every byte is under
//! a checksum.

pub(crate) mod conversations;
pub(crate) mod settings;
pub(crate) mod tables;
