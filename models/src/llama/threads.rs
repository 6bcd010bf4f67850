//! A pool of threads that stays alive between decodes.
//!
//! Without OpenMP and without a pool, ggml starts and joins its threads in every decode, which costs more than
//! decoding a token of a small model.

use std::{ffi::c_int, ptr::NonNull};

use llama_cpp_sys_2 as sys;

/// How long an idle worker polls before it sleeps, in ggml's units of 131 072 rounds; 50 is ggml's default, and
/// takes the processor from everyone else for tenths of a second after each decode.
const POLLING: u32 = 1;

// The bindings' header leaves out `ggml-cpu.h`; the functions are in the library.
unsafe extern "C" {
    fn ggml_threadpool_new(params: *mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
    fn ggml_threadpool_free(pool: *mut sys::ggml_threadpool);
}

#[derive(Debug)]
pub(super) struct ThreadPool(NonNull<sys::ggml_threadpool>);

impl ThreadPool {
    /// A pool of `threads`, the calling one included; `None` when there is nothing to pool.
    pub(super) fn new(threads: u32) -> Option<Self> {
        if threads < 2 {
            return None;
        }
        // SAFETY: takes a number and returns plain data.
        let mut params = unsafe { sys::ggml_threadpool_params_default(threads as c_int) };
        params.poll = POLLING;
        // SAFETY: the signature is that of `ggml-cpu.h` in the version that the bindings are built from, and the
        // parameters live through the call, which copies them.
        NonNull::new(unsafe { ggml_threadpool_new(&raw mut params) }).map(Self)
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::ggml_threadpool {
        self.0.as_ptr()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        // SAFETY: the context that used the pool is freed before it (see `LlamaContext::drop`).
        unsafe { ggml_threadpool_free(self.0.as_ptr()) };
    }
}
