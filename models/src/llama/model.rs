//! A loaded model.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use llama_cpp_sys_2 as sys;
use parking_lot::{Mutex, MutexGuard};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::gguf::GgufModel;
use crate::llama::backend::initialise;
use crate::llama::sealed_file::SealedFile;
use crate::weights::TensorSource;

/// How a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Let llama.cpp rearrange quantised weights for the processor. Faster on some shapes, but the rearranged
    /// weights are a copy in memory.
    pub repack: bool,
}

/// A model in llama.cpp, shared by its contexts and adapters.
#[derive(Debug)]
pub struct LlamaModel {
    raw: NonNull<sys::llama_model>,
    /// Held while contexts and adapters are created or freed.
    lock: Mutex<()>,
    config: ModelConfig,
    path: PathBuf,
}

// SAFETY: llama.cpp does not tie a model to the thread that loaded it.
unsafe impl Send for LlamaModel {}
// SAFETY: after loading, the weights and the vocabulary are only read; the one thing that changes, the set of
// registered adapters, changes under `lock`.
unsafe impl Sync for LlamaModel {}

impl LlamaModel {
    /// Validates a GGUF file and loads it.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<Self>> {
        Self::load_validated(&GgufModel::open(path)?, options)
    }

    /// Loads what a file held when it was opened: its bytes are copied into memory that nobody can change, and mapped
    /// there.
    pub(crate) fn load_validated(file: &GgufModel, options: &LoadOptions) -> Result<Arc<Self>> {
        initialise();
        let path = file.path();
        check_memory(file)?;
        let sealed = SealedFile::write(|out| file.pieces().try_for_each(|piece| out.write_all(&piece?)))?;
        let c_path = c_path(&sealed.path())?;
        // SAFETY: takes nothing and returns plain data.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.load_mode = sys::LLAMA_LOAD_MODE_MMAP;
        params.use_extra_bufts = options.repack;
        params.n_gpu_layers = 0;
        // SAFETY: the path is a live C string and the parameters are llama.cpp's defaults with three plain
        // fields changed; the file was validated, and its copy is sealed, so that its map never changes.
        let raw = unsafe { sys::llama_model_load_from_file(c_path.as_ptr(), params) };
        let Some(raw) = NonNull::new(raw) else {
            return Err(Error::invalid(path, "llama.cpp refused the file; its log says why"));
        };
        let config = file.config().clone();
        let model = Self { raw, lock: Mutex::new(()), config, path: path.to_path_buf() };
        if model.loaded_vocabulary() != model.config.vocab_size {
            return Err(Error::invalid(path, "llama.cpp counts another vocabulary than the file's tensors"));
        }
        Ok(Arc::new(model))
    }

    /// The configuration that the file states.
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The file that was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of all weights, in bytes.
    pub fn size(&self) -> u64 {
        // SAFETY: the pointer is a live model.
        unsafe { sys::llama_model_size(self.raw.as_ptr()) }
    }

    fn loaded_vocabulary(&self) -> usize {
        // SAFETY: the pointer is a live model, whose vocabulary lives as long as it.
        let tokens = unsafe { sys::llama_vocab_n_tokens(sys::llama_model_get_vocab(self.raw.as_ptr())) };
        tokens as usize
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::llama_model {
        self.raw.as_ptr()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock()
    }
}

impl Drop for LlamaModel {
    fn drop(&mut self) {
        // SAFETY: contexts and adapters hold an `Arc` of the model, so nothing refers to it any more.
        unsafe { sys::llama_model_free(self.raw.as_ptr()) };
    }
}

/// Refuses a file that does not fit in the memory that is free, where Linux says how much that is.
fn check_memory(file: &GgufModel) -> Result<()> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let available = kibibytes("MemAvailable:").map(|free| free + kibibytes("SwapFree:").unwrap_or(0));
    match available {
        Some(available) if file.length() / 1024 > available => Err(Error::Resource(format!(
            "the weights of {} take {} MiB of memory and {} MiB are free",
            file.path().display(),
            file.length() >> 20,
            available / 1024
        ))),
        _ => Ok(()),
    }
}

/// The path as llama.cpp takes it.
pub(super) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::Argument(format!("the path {} holds a NUL byte", path.display())))
}
