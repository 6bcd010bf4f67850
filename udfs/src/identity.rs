//! Functions over the same engine are the same function.

/// Equality and hash of a function by the engine that it calls.
macro_rules! identity_of_engine {
    ($function:ty) => {
        impl PartialEq for $function {
            fn eq(&self, other: &Self) -> bool {
                std::sync::Arc::ptr_eq(&self.engine, &other.engine)
            }
        }

        impl Eq for $function {}

        impl std::hash::Hash for $function {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                std::sync::Arc::as_ptr(&self.engine).hash(state);
            }
        }
    };
}

pub(crate) use identity_of_engine;
