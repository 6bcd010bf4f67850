//! The sparse grid store, the catalog and the trajectory log.
