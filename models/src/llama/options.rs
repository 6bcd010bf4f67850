//! The settings of a context.

use llama_cpp_sys_2 as sys;

use crate::error::{Error, Result};

/// The most sequences that one context can hold: llama.cpp's compiled limit.
pub const MAX_SEQUENCES: u32 = 256;

/// What a context computes for a sequence beside logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing: the context answers with logits.
    #[default]
    None,
    /// The mean of the final norm's output over the sequence's tokens.
    Mean,
}

/// The type of the cached keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheType {
    /// 32-bit floats: exact.
    F32,
    /// 16-bit floats: half the memory.
    #[default]
    F16,
}

/// How a context is made: the size of its cache, its threads and what it computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextOptions {
    /// Tokens of the whole cache; without `unified_kv` each sequence gets an equal share.
    pub context_length: u32,
    /// The most tokens of one `decode`.
    pub batch: u32,
    /// The most tokens that are computed at once.
    pub micro_batch: u32,
    /// Sequences are numbered below this; at most [`MAX_SEQUENCES`].
    pub max_sequences: u32,
    /// One cache for all sequences: they can share a prefix and use each other's free room, but every token
    /// attends over all cells in use. Without it each sequence has cells of its own, which decodes faster.
    pub unified_kv: bool,
    /// Threads of the computation, the calling one included; while other work contends for the processor, decodes
    /// run on one.
    pub threads: u32,
    /// What is computed for embeddings; with pooling there are no logits, `unified_kv` must be on and a batch must
    /// fit `micro_batch`, so that no sequence is pooled in pieces.
    pub pooling: Pooling,
    /// The type of the cache.
    pub kv_type: CacheType,
    /// Fused attention: faster over long contexts, with rounding of its own.
    pub flash_attention: bool,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self {
            context_length: 4096,
            batch: 512,
            micro_batch: 512,
            max_sequences: 1,
            unified_kv: false,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            pooling: Pooling::None,
            kv_type: CacheType::F16,
            flash_attention: true,
        }
    }
}

impl ContextOptions {
    pub(super) fn validate(&self) -> Result<()> {
        let refuse = |reason: String| Err(Error::Argument(reason));
        if self.max_sequences == 0 || self.max_sequences > MAX_SEQUENCES {
            return refuse(format!("max_sequences is {}; 1 to {MAX_SEQUENCES} fit", self.max_sequences));
        }
        if self.context_length == 0 || self.context_length > i32::MAX as u32 / 2 {
            return refuse(format!("context_length {} is out of range", self.context_length));
        }
        if self.micro_batch == 0 || self.batch < self.micro_batch || self.batch > 1 << 20 {
            return refuse(format!(
                "batch {} and micro_batch {} are out of range: 1 ≤ micro_batch ≤ batch ≤ {}",
                self.batch,
                self.micro_batch,
                1 << 20
            ));
        }
        if self.threads == 0 || self.threads > 512 {
            return refuse(format!("threads is {}; 1 to 512 are possible", self.threads));
        }
        if self.pooling != Pooling::None && !self.unified_kv {
            return refuse("a context that pools must have unified_kv".to_owned());
        }
        Ok(())
    }

    /// llama.cpp's defaults with these settings; the rest leaves nothing to the file.
    pub(super) fn parameters(&self) -> sys::llama_context_params {
        // SAFETY: takes nothing and returns plain data.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = self.context_length;
        params.n_batch = self.batch;
        params.n_ubatch = self.micro_batch;
        params.n_seq_max = self.max_sequences;
        params.n_threads = self.threads as i32;
        params.n_threads_batch = self.threads as i32;
        params.kv_unified = self.unified_kv;
        params.embeddings = self.pooling != Pooling::None;
        params.pooling_type = match self.pooling {
            Pooling::None => sys::LLAMA_POOLING_TYPE_NONE,
            Pooling::Mean => sys::LLAMA_POOLING_TYPE_MEAN,
        };
        let cache_type = match self.kv_type {
            CacheType::F32 => sys::GGML_TYPE_F32,
            CacheType::F16 => sys::GGML_TYPE_F16,
        };
        (params.type_k, params.type_v) = (cache_type, cache_type);
        params.flash_attn_type = if self.flash_attention {
            sys::LLAMA_FLASH_ATTN_TYPE_ENABLED
        } else {
            sys::LLAMA_FLASH_ATTN_TYPE_DISABLED
        };
        params.no_perf = true;
        params
    }
}
