//! Functions over the same engine are the same function.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use hyprstream_engine::Engine;

/// An engine that is equal to itself alone.
#[derive(Debug, Clone)]
pub(super) struct EngineHandle(Arc<Engine>);

impl EngineHandle {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self(Arc::clone(engine))
    }
}

impl Deref for EngineHandle {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl PartialEq for EngineHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for EngineHandle {}

impl Hash for EngineHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
