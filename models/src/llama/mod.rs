//! The llama.cpp runtime: models, contexts, batches and adapters over `llama-cpp-sys-2`.
//!
//! `llama-cpp-2` initialises the backend and forwards llama.cpp's log to `tracing`. Its model and context are not
//! used: they set one adapter at a time, need the model mutably for it, have no abort callback and no threads
//! settings, and create contexts of one model in parallel, which llama.cpp does not allow.
//!
//! Invariants:
//! - llama.cpp sees only files that this crate has validated, and only batches whose tokens, sequences and
//!   length are inside the context's limits; what it would answer with an abort is refused here with an error.
//! - Whatever changes a model's shared state (creating or freeing a context or an adapter) holds the model's
//!   lock.
//! - A model outlives its contexts and adapters, and an adapter outlives its use in a context: each holds an
//!   `Arc` of what it needs.
//! - A [`LlamaModel`] and a [`LlamaAdapter`] are `Send + Sync`: they do not change after loading. A
//!   [`LlamaContext`] is `Send` and not `Sync`: one thread at a time drives it.
#![expect(unsafe_code, reason = "this module is the wrapper around llama.cpp's C interface")]

mod adapter;
mod backend;
mod batch;
mod context;
mod model;
mod options;
mod sealed_file;
mod threads;
mod vocabulary;

pub use adapter::LlamaAdapter;
pub use batch::Batch;
pub use context::LlamaContext;
pub use model::{LlamaModel, LoadOptions};
pub use options::{CacheType, ContextOptions, MAX_SEQUENCES, Pooling};
pub use threads::run_in_background;
pub(crate) use vocabulary::LlamaVocabulary;
