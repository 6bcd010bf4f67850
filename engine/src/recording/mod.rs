//! Recorded answers: from the decode thread through a ring to the trajectory log.
//!
//! The decode thread collects a request's tokens beside it and hands them over once, when the request ends:
//! a push into a bounded lock-free ring. When the ring is full the trajectory is dropped and counted. A writer
//! thread drains the ring, appends to the log and syncs it at least once a second.

pub(crate) mod format;
pub(crate) mod log_end;
pub(crate) mod recorder;
pub(crate) mod ring;
pub(crate) mod trajectory;
