//! Which request is admitted, and where.

pub(super) mod cache_shape;
pub(super) mod fair_queue;
pub(super) mod slots;
