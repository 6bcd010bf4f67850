//! A context: the key-value cache of some sequences, and the computation over it.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

use crate::error::{Error, Result};
use crate::llama::adapter::LlamaAdapter;
use crate::llama::batch::Batch;
use crate::llama::model::LlamaModel;
use crate::llama::options::{ContextOptions, Pooling};
use crate::llama::threads::{ThreadPool, paced};

/// A context of a model. One thread at a time drives it (`Send`, not `Sync`).
#[derive(Debug)]
pub struct LlamaContext {
    raw: NonNull<sys::llama_context>,
    options: ContextOptions,
    abort: Arc<AtomicBool>,
    /// For every row of the last decoded batch, whether its logits exist.
    outputs: Vec<i8>,
    /// The sequences of the last decoded batch.
    sequences: Vec<i32>,
    sequence_pointers: Vec<*mut i32>,
    /// Kept alive while llama.cpp refers to them.
    adapters: Vec<(Arc<LlamaAdapter>, f32)>,
    /// What a sequence's cache is moved through.
    moving: Vec<u8>,
    pool: Option<ThreadPool>,
    model: Arc<LlamaModel>,
}

// SAFETY: llama.cpp does not tie a context to a thread, its pool's workers belong to the context, and every
// pointer kept here is only followed through `&mut self` or, for finished results, `&self` of a type that is not
// `Sync`.
unsafe impl Send for LlamaContext {}

unsafe extern "C" fn is_aborted(flag: *mut c_void) -> bool {
    // SAFETY: `flag` is the context's `abort`, which the context keeps alive longer than llama.cpp's context.
    unsafe { &*flag.cast::<AtomicBool>() }.load(Ordering::Relaxed)
}

impl LlamaContext {
    /// Creates a context; contexts of one model are created one after another.
    pub fn try_new(model: &Arc<LlamaModel>, options: &ContextOptions) -> Result<Self> {
        options.validate()?;
        let abort = Arc::new(AtomicBool::new(false));
        let mut params = options.parameters();
        params.abort_callback = Some(is_aborted);
        params.abort_callback_data = Arc::as_ptr(&abort).cast_mut().cast();

        let guard = model.lock();
        // SAFETY: the model is live and locked; the parameters are llama.cpp's defaults with validated fields.
        let raw = unsafe { sys::llama_init_from_model(model.as_ptr(), params) };
        drop(guard);
        let raw = NonNull::new(raw).ok_or_else(|| {
            Error::Resource(format!(
                "no memory for a context of {} tokens in {} sequences",
                options.context_length, options.max_sequences
            ))
        })?;
        // llama.cpp lowers both to what the cache can take, and aborts on a batch beyond.
        // SAFETY: the context is live.
        let (batch, micro_batch) =
            unsafe { (sys::llama_n_batch(raw.as_ptr()), sys::llama_n_ubatch(raw.as_ptr())) };
        let options = &ContextOptions { batch, micro_batch, ..options.clone() };
        let pool = ThreadPool::new(options.threads);
        if let Some(pool) = &pool {
            // SAFETY: both are live, and `drop` frees the context before the pool.
            unsafe { sys::llama_attach_threadpool(raw.as_ptr(), pool.as_ptr(), std::ptr::null_mut()) };
        }
        Ok(Self {
            raw,
            options: options.clone(),
            abort,
            outputs: Vec::new(),
            sequences: Vec::new(),
            sequence_pointers: Vec::new(),
            adapters: Vec::new(),
            moving: Vec::new(),
            pool,
            model: Arc::clone(model),
        })
    }

    /// The model that it computes, which lives as long as it.
    pub const fn model(&self) -> &Arc<LlamaModel> {
        &self.model
    }

    /// The settings in force: as asked for, with `batch` and `micro_batch` lowered to what the cache can take.
    pub const fn options(&self) -> &ContextOptions {
        &self.options
    }

    /// Setting this flag makes the decode in progress, and every later one, end with [`Error::Cancelled`] within
    /// milliseconds. The owner of the context clears it.
    pub fn abort_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.abort)
    }

    /// Computes a batch. Each sequence's positions must continue where its cache ends.
    ///
    /// After an error other than [`Error::Cancelled`] and [`Error::Internal`] the cache is as before; after those two a
    /// part of the batch may be cached, and the caller removes what it no longer wants.
    pub fn decode(&mut self, batch: &Batch) -> Result<()> {
        self.outputs.clear();
        self.sequences.clear();
        self.check(batch)?;
        let mut sequences = batch.sequences.clone();
        let base = sequences.as_mut_ptr();
        self.sequence_pointers.clear();
        self.sequence_pointers.extend((0..sequences.len()).map(|i| base.wrapping_add(i)));
        let mut counts = vec![1; batch.len()];
        let raw_batch = sys::llama_batch {
            n_tokens: batch.len() as i32,
            token: batch.tokens.as_ptr().cast_mut(),
            embd: std::ptr::null_mut(),
            pos: batch.positions.as_ptr().cast_mut(),
            n_seq_id: counts.as_mut_ptr(),
            seq_id: self.sequence_pointers.as_mut_ptr(),
            logits: batch.outputs.as_ptr().cast_mut(),
        };
        let code = self.run(raw_batch);
        match code {
            0 => {}
            1 => {
                return Err(Error::Resource(format!(
                    "the key-value cache of {} tokens has no room for {} more",
                    self.options.context_length,
                    batch.len()
                )));
            }
            2 => return Err(Error::Cancelled),
            -1 => {
                return Err(Error::Argument("a sequence's positions do not continue its cache".to_owned()));
            }
            code => {
                return Err(if self.abort.load(Ordering::Relaxed) {
                    Error::Cancelled
                } else {
                    Error::Internal(format!("llama.cpp could not decode: code {code}"))
                });
            }
        }
        // SAFETY: the context is live. Waits for the results and puts them in the batch's order, after which
        // reading them changes nothing.
        unsafe {
            sys::llama_synchronize(self.raw.as_ptr());
            sys::llama_get_logits(self.raw.as_ptr());
        }
        self.outputs.extend_from_slice(&batch.outputs);
        self.sequences = sequences;
        Ok(())
    }

    /// Decodes on all threads, or on one while the processor is contended. The number does not change the result:
    /// every value is computed by one thread, whichever it is.
    fn run(&self, batch: sys::llama_batch) -> i32 {
        paced(self.options.threads, |threads| {
            // SAFETY: the context is live and its pool has at least as many threads; `decode` built the batch: every
            // array has `n_tokens` elements that outlive the call, which copies them before it computes and writes
            // to none; tokens and sequences are in range (`check`).
            unsafe {
                sys::llama_set_n_threads(self.raw.as_ptr(), threads as i32, threads as i32);
                sys::llama_decode(self.raw.as_ptr(), batch)
            }
        })
    }

    fn check(&self, batch: &Batch) -> Result<()> {
        let refuse = |reason: String| Err(Error::Argument(reason));
        if batch.is_empty() {
            return refuse("an empty batch cannot be decoded".to_owned());
        }
        let limit = match self.options.pooling {
            Pooling::None => self.options.batch,
            Pooling::Mean => self.options.micro_batch,
        };
        if batch.len() > limit as usize {
            return refuse(format!("a batch of {} tokens exceeds the context's {limit}", batch.len()));
        }
        let vocabulary = self.model.config().vocab_size;
        if let Some(token) = batch.tokens.iter().find(|token| **token as usize >= vocabulary) {
            return refuse(format!("token {token} is outside the vocabulary of {vocabulary}"));
        }
        let sequences = self.options.max_sequences;
        if let Some(sequence) = batch.sequences.iter().find(|sequence| **sequence as u32 >= sequences) {
            return refuse(format!("sequence {sequence} is outside the context's {sequences}"));
        }
        Ok(())
    }

    /// The logits of a row of the last decoded batch, one for each token of the vocabulary.
    pub fn logits(&self, row: usize) -> Result<&[f32]> {
        if self.options.pooling != Pooling::None || self.outputs.get(row).copied().unwrap_or(0) == 0 {
            return Err(Error::Argument(format!("row {row} of the last batch has no logits")));
        }
        // SAFETY: the context is live and the row was decoded with its output wanted.
        let logits = unsafe { sys::llama_get_logits_ith(self.raw.as_ptr(), row as i32) };
        if logits.is_null() {
            return Err(Error::Internal(format!("llama.cpp lost the logits of row {row}")));
        }
        // SAFETY: a row of logits has the vocabulary's length, and stays in place until the next decode, which
        // needs `&mut self`.
        Ok(unsafe { std::slice::from_raw_parts(logits, self.model.config().vocab_size) })
    }

    /// The pooled embedding of a sequence of the last decoded batch, not normalised.
    pub fn sequence_embedding(&self, sequence: u32) -> Result<&[f32]> {
        let absent = || Error::Argument(format!("sequence {sequence} was not pooled in the last batch"));
        if self.options.pooling == Pooling::None || !self.sequences.contains(&(sequence as i32)) {
            return Err(absent());
        }
        // SAFETY: the context is live; an unknown sequence is answered with null.
        let values = unsafe { sys::llama_get_embeddings_seq(self.raw.as_ptr(), sequence as i32) };
        if values.is_null() {
            return Err(absent());
        }
        // SAFETY: a pooled embedding has the hidden size of the model, and stays in place until the next decode,
        // which needs `&mut self`.
        Ok(unsafe { std::slice::from_raw_parts(values, self.model.config().hidden_size) })
    }

    /// Sets the adapters of all following decodes, each with a factor on its own scale; an empty slice is the base.
    ///
    /// The cache is not touched: whoever owns a sequence knows which adapters computed it.
    pub fn set_adapters(&mut self, adapters: &[(Arc<LlamaAdapter>, f32)]) -> Result<()> {
        let mut set: Vec<(Arc<LlamaAdapter>, f32)> = Vec::with_capacity(adapters.len());
        for (adapter, scale) in adapters {
            if !Arc::ptr_eq(adapter.model(), &self.model) {
                return Err(Error::Argument("an adapter was loaded for another model".to_owned()));
            }
            if !scale.is_finite() {
                return Err(Error::Argument(format!("an adapter's scale is {scale}")));
            }
            // llama.cpp keeps one scale an adapter; naming one twice adds up.
            match set.iter_mut().find(|(other, _)| Arc::ptr_eq(other, adapter)) {
                Some((_, sum)) => *sum += scale,
                None => set.push((Arc::clone(adapter), *scale)),
            }
        }
        let mut pointers: Vec<_> = set.iter().map(|(adapter, _)| adapter.as_ptr()).collect();
        let mut scales: Vec<f32> = set.iter().map(|(_, scale)| *scale).collect();
        // SAFETY: the context is live, both arrays have the same length and are copied, and the adapters are of
        // this context's model and kept alive below.
        let code = unsafe {
            sys::llama_set_adapters_lora(
                self.raw.as_ptr(),
                pointers.as_mut_ptr(),
                pointers.len(),
                scales.as_mut_ptr(),
            )
        };
        self.adapters = set;
        if code == 0 {
            Ok(())
        } else {
            Err(Error::Internal(format!("llama.cpp refused the adapters: code {code}")))
        }
    }

    /// Removes a sequence from the cache.
    pub fn remove(&mut self, sequence: u32) -> Result<()> {
        let sequence = self.sequence(sequence)?;
        // SAFETY: the context is live and the sequence inside its limit; −1 leaves the range of positions open.
        let removed = unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, -1, -1) };
        if removed { Ok(()) } else { Err(Error::Internal(format!("sequence {sequence} kept its cache"))) }
    }

    /// Makes the cache of one sequence that of another too, in place of its own.
    ///
    /// With `unified_kv` the two share the cells; without it they are copied.
    pub fn copy(&mut self, source: u32, target: u32) -> Result<()> {
        let (source, target) = (self.sequence(source)?, self.sequence(target)?);
        if source != target {
            // SAFETY: the context is live, both sequences are inside its limit, and the range is whole: in a cache
            // that is not unified llama.cpp aborts on a part of one.
            unsafe { sys::llama_memory_seq_cp(self.memory(), source, target, -1, -1) };
        }
        Ok(())
    }

    /// Gives the cache of one sequence to another, which loses its own. It costs as much as the tokens that are moved,
    /// twice read and twice written, where [`copy`](Self::copy) without `unified_kv` copies all that a sequence has room
    /// for and has the next decode plan its memory anew.
    ///
    /// After an error neither sequence's cache can be relied on.
    pub fn move_sequence(&mut self, source: u32, target: u32) -> Result<()> {
        if source == target {
            return self.sequence(source).map(drop);
        }
        if self.options.unified_kv {
            self.remove(target)?;
            self.copy(source, target)?;
        } else {
            let from = self.sequence(source)?;
            let to = self.sequence(target)?;
            let context = self.raw.as_ptr();
            // SAFETY: the context is live and both sequences are inside its limit. The first call gives the number of
            // bytes that the second writes, and the third reads what the second wrote.
            let taken = unsafe {
                let size = sys::llama_state_seq_get_size(context, from);
                self.moving.resize(size, 0);
                let written = sys::llama_state_seq_get_data(context, self.moving.as_mut_ptr(), size, from);
                size > 0
                    && written == size
                    && sys::llama_state_seq_set_data(context, self.moving.as_ptr(), size, to) == size
            };
            if !taken {
                return Err(Error::Internal(format!(
                    "llama.cpp could not move sequence {source} to {target}"
                )));
            }
        }
        self.remove(source)
    }

    /// Empties the cache.
    pub fn clear(&mut self) {
        // SAFETY: the context is live.
        unsafe { sys::llama_memory_clear(self.memory(), false) };
    }

    /// The last cached position of a sequence, or `None` if nothing of it is cached.
    pub fn max_position(&self, sequence: u32) -> Option<u32> {
        let sequence = self.sequence(sequence).ok()?;
        // SAFETY: the context is live and the sequence inside its limit.
        let position = unsafe { sys::llama_memory_seq_pos_max(self.memory(), sequence) };
        u32::try_from(position).ok()
    }

    fn sequence(&self, sequence: u32) -> Result<i32> {
        if sequence < self.options.max_sequences {
            Ok(sequence as i32)
        } else {
            Err(Error::Argument(format!(
                "sequence {sequence} is outside the context's {}",
                self.options.max_sequences
            )))
        }
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context is live, and its memory lives as long as it.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }
}

impl Drop for LlamaContext {
    fn drop(&mut self) {
        let guard = self.model.lock();
        // SAFETY: the context is live and used by nobody else; its pool, its adapters and its model are dropped
        // after it.
        unsafe { sys::llama_free(self.raw.as_ptr()) };
        drop(guard);
        self.pool = None;
    }
}
