//! A low-rank adapter, loaded from memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use crate::error::{Error, Result};
use crate::gguf::write_adapter;
use crate::llama::model::{LlamaModel, c_path};
use crate::weights::LoraWeights;

/// An adapter of a loaded model, ready to be set on its contexts.
#[derive(Debug)]
pub struct LlamaAdapter {
    raw: NonNull<sys::llama_adapter_lora>,
    model: Arc<LlamaModel>,
}

// SAFETY: llama.cpp does not tie an adapter to a thread.
unsafe impl Send for LlamaAdapter {}
// SAFETY: its weights are only read after loading; registering and freeing it hold the model's lock.
unsafe impl Sync for LlamaAdapter {}

impl LlamaAdapter {
    /// Loads an adapter through an anonymous file in memory.
    pub fn try_new(model: &Arc<LlamaModel>, weights: &LoraWeights) -> Result<Arc<Self>> {
        weights.validate(model.config())?;
        let file = memory_file()?;
        let mut writer = BufWriter::with_capacity(1 << 16, &file);
        write_adapter(&mut writer, model.config(), weights)
            .and_then(|()| writer.flush())
            .map_err(|error| Error::Resource(format!("no memory for the adapter: {error}")))?;
        drop(writer);
        let path = c_path(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))?;
        let guard = model.lock();
        // SAFETY: the model is live and locked, since loading registers the adapter in it; the path is a live C
        // string that names a file written above, whose shapes were validated against the model.
        let raw = unsafe { sys::llama_adapter_lora_init(model.as_ptr(), path.as_ptr()) };
        drop(guard);
        let raw = NonNull::new(raw)
            .ok_or_else(|| Error::Internal("llama.cpp refused an adapter; its log says why".to_owned()))?;
        Ok(Arc::new(Self { raw, model: Arc::clone(model) }))
    }

    /// The model that it belongs to.
    pub const fn model(&self) -> &Arc<LlamaModel> {
        &self.model
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::llama_adapter_lora {
        self.raw.as_ptr()
    }
}

impl Drop for LlamaAdapter {
    fn drop(&mut self) {
        let guard = self.model.lock();
        // SAFETY: contexts hold an `Arc` of the adapters they use, so nothing refers to it any more; the model is
        // live and locked.
        unsafe { sys::llama_adapter_lora_free(self.raw.as_ptr()) };
        drop(guard);
    }
}

fn memory_file() -> Result<File> {
    // SAFETY: the name is a C string with static lifetime.
    let descriptor = unsafe { libc::memfd_create(c"adapter".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Error::Resource(format!("could not create a file in memory: {error}")));
    }
    // SAFETY: the descriptor is new, valid and owned by nobody else.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}
