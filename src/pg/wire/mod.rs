//! Bytes to messages and back.
//!
//! Messages are those of `pgwire`; a client's bytes are checked before its decoders see them, because every
//! length in them comes from outside.

pub(super) mod columns;
pub(super) mod messages;
pub(super) mod replies;
pub(super) mod transport;
