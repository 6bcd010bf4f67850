//! llama.cpp's process-wide state.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

/// Initialises llama.cpp once a process; its log goes to `tracing`.
pub(super) fn initialise() {
    static BACKEND: OnceLock<Option<LlamaBackend>> = OnceLock::new();
    BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().ok()
    });
}
