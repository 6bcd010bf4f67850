//! A low-rank adapter, loaded from memory.

use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use crate::error::{Error, Result};
use crate::gguf::write_adapter;
use crate::llama::model::{LlamaModel, c_path};
use crate::llama::sealed_file::{SealedFile, no_memory};
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
        let file = SealedFile::write(|out| {
            write_adapter(out.writer(), model.config(), weights).map_err(|error| no_memory(&error))
        })?;
        let path = c_path(&file.path())?;
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
