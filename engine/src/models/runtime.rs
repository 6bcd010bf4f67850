//! A model in memory: its weights, its decode thread and the adapters kept ready beside it.

use std::path::PathBuf;
use std::sync::Arc;

use hyprstream_models::{
    CacheType, ContentHash, LlamaModel, LoadOptions, ModelConfig, ModelFiles, WeightType,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::adapter_cache::AdapterCache;
use crate::adapter_store::{AdapterStore, ResolvedAdapter, stack_label};
use crate::errors::{Error, Result};
use crate::options::{EngineOptions, WeightPreference};
use crate::places::Places;
use crate::scheduler::{ActiveStack, CacheLimits, DecodeOptions, Job, Scheduler};
use crate::statistics::Statistics;

/// Up to here `auto` keeps weights in f32, where answers are exact.
const EXACT_BYTES: u64 = 64 << 20;
const DEFAULT_CONTEXT: u32 = 4096;
const DEFAULT_CACHE_BYTES: u64 = 2 << 30;

/// What all models of an engine are loaded with.
#[derive(Debug)]
pub(crate) struct RuntimeOptions {
    gguf_dir: PathBuf,
    threads: u32,
    max_sequences: Option<u32>,
    context_length: Option<u32>,
    kv_memory: Option<u64>,
    adapter_memory: u64,
    queue_capacity: usize,
    weights: WeightPreference,
}

impl RuntimeOptions {
    pub(crate) fn new(options: &EngineOptions) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            gguf_dir: options.data_dir.join("cache"),
            threads: options.threads.unwrap_or(cores).max(1) as u32,
            max_sequences: options.max_sequences,
            context_length: options.context_length,
            kv_memory: options.kv_memory,
            adapter_memory: options.adapter_memory,
            queue_capacity: options.queue_capacity.max(1),
            weights: options.weights,
        }
    }

    /// Tokens of prompt and answer that a request may have.
    pub(crate) fn context_length(&self, config: &ModelConfig) -> u32 {
        let trained = config.max_position_embeddings as u32;
        let asked = self.context_length.unwrap_or(DEFAULT_CONTEXT);
        let affordable = self.cache_bytes() / cache_bytes_a_token(config, self.cache_type(config)).max(1);
        asked.min(trained).min(affordable as u32).max(1)
    }

    fn weight_type(&self, files: &ModelFiles) -> WeightType {
        // A GGUF file is answered as it is; only a Hugging Face directory is converted.
        if files.path().is_file() {
            return WeightType::Stored;
        }
        match self.weights {
            WeightPreference::Auto if is_exact(files.config()) => WeightType::F32,
            WeightPreference::Auto | WeightPreference::Stored => WeightType::Stored,
            WeightPreference::F32 => WeightType::F32,
            WeightPreference::F16 => WeightType::F16,
            WeightPreference::Bf16 => WeightType::Bf16,
            WeightPreference::Q8_0 => WeightType::Q8_0,
        }
    }

    /// Keys and values are as exact as the weights.
    fn cache_type(&self, config: &ModelConfig) -> CacheType {
        match self.weights {
            WeightPreference::F32 => CacheType::F32,
            WeightPreference::Auto | WeightPreference::Stored if is_exact(config) => CacheType::F32,
            _ => CacheType::F16,
        }
    }

    fn cache_bytes(&self) -> u64 {
        self.kv_memory.unwrap_or_else(|| DEFAULT_CACHE_BYTES.min(machine_memory() / 4))
    }

    fn decode_options(&self, name: &str, config: &ModelConfig) -> DecodeOptions {
        let parameters = config.parameters().max(1);
        let cache_type = self.cache_type(config);
        let max_sequences =
            self.max_sequences.unwrap_or(if is_exact(config) { 64 } else { 32 }).clamp(1, 256);
        // A decode of a whole chunk should stay below about half a second on two cores.
        let chunk = ((1 << 36) / parameters).clamp(64, 512) as u32 / 64 * 64;
        DecodeOptions {
            name: name.to_owned(),
            limits: CacheLimits {
                max_sequences,
                total_tokens: self.cache_bytes() / cache_bytes_a_token(config, cache_type).max(1),
                sequence_tokens: self.context_length(config),
            },
            threads: self.threads,
            chunk: chunk.max(max_sequences),
            cache_type,
            token_bytes: cache_bytes_a_token(config, cache_type),
            flash_attention: cache_type == CacheType::F16,
        }
    }
}

/// Whether the weights are small enough to be kept in f32.
fn is_exact(config: &ModelConfig) -> bool {
    config.parameters() * 4 <= EXACT_BYTES
}

/// Bytes of keys and values of one token in all layers.
fn cache_bytes_a_token(config: &ModelConfig, cache_type: CacheType) -> u64 {
    let element = if cache_type == CacheType::F32 { 4 } else { 2 };
    (config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 2 * element) as u64
}

/// Bytes of memory the machine has; a modest guess where it does not say.
fn machine_memory() -> u64 {
    let kibibytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        text.lines().find_map(|line| {
            line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        })
    });
    kibibytes.map_or(4 << 30, |kibibytes| kibibytes * 1024)
}

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) name: String,
    pub(crate) files: Arc<ModelFiles>,
    pub(crate) hash: ContentHash,
    /// Tokens of prompt and answer that a request may have.
    pub(crate) context_length: usize,
    weights_name: &'static str,
    model: Arc<LlamaModel>,
    adapters: AdapterCache,
    places: Places,
    scheduler: Scheduler,
}

impl Runtime {
    pub(crate) fn load(
        name: &str,
        files: Arc<ModelFiles>,
        options: &RuntimeOptions,
        statistics: &Arc<Statistics>,
    ) -> Result<Self> {
        let weight_type = options.weight_type(&files);
        std::fs::create_dir_all(&options.gguf_dir)
            .map_err(Error::io("make the directory", &options.gguf_dir))?;
        let path = files.gguf(&options.gguf_dir, weight_type)?;
        let model = LlamaModel::load(&path, &LoadOptions::default())?;
        let decode = options.decode_options(name, files.config());
        let scheduler =
            Scheduler::start(Arc::clone(&model), files.tokenizer(), decode, Arc::clone(statistics))?;
        Ok(Self {
            name: name.to_owned(),
            hash: files.content_hash(),
            context_length: options.context_length(files.config()) as usize,
            weights_name: match weight_type {
                WeightType::Stored => "stored",
                WeightType::F32 => "f32",
                WeightType::F16 => "f16",
                WeightType::Bf16 => "bf16",
                WeightType::Q8_0 => "q8_0",
            },
            adapters: AdapterCache::new(Arc::clone(&model), options.adapter_memory, Arc::clone(statistics)),
            places: Places::new(options.queue_capacity),
            scheduler,
            files,
            model,
        })
    }

    pub(crate) fn weights_name(&self) -> &'static str {
        self.weights_name
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.model.size() + self.adapters.bytes()
    }

    /// The adapters that a request names, ready to decode with.
    pub(crate) async fn stack(
        self: &Arc<Self>,
        store: &AdapterStore,
        name: Option<&str>,
    ) -> Result<NamedStack> {
        let Some(name) = name else {
            return Ok(NamedStack::default());
        };
        let resolved = store.resolve_stack(name, &self.hash)?;
        if resolved.iter().all(|adapter| self.adapters.has(adapter)) {
            return self.activate(store, &resolved);
        }
        let (runtime, store) = (Arc::clone(self), store.clone());
        blocking(move || runtime.activate(&store, &resolved)).await
    }

    /// Blocks while an adapter is read from the store.
    fn activate(&self, store: &AdapterStore, resolved: &[ResolvedAdapter]) -> Result<NamedStack> {
        let mut stack = ActiveStack::default();
        for adapter in resolved {
            stack.adapters.push((self.adapters.get(store, adapter)?, adapter.scale));
            stack.key.push((adapter.record.hash.clone(), adapter.scale.to_bits()));
        }
        Ok(NamedStack { label: stack_label(resolved), stack: Arc::new(stack) })
    }

    /// Waits for a place in a client's queue.
    pub(crate) async fn place(&self, client: u64) -> Result<OwnedSemaphorePermit> {
        self.places.take(client).await
    }

    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        self.scheduler.submit(job)
    }

    /// Has the decode in progress, or the next one, fail.
    #[cfg(test)]
    pub(crate) fn fail_decode(&self) {
        self.scheduler.abort_decode();
    }

    pub(crate) fn close(&self) {
        self.places.close();
        self.scheduler.close();
    }
}

/// An adapter stack with the label that tables show.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedStack {
    pub(crate) label: Option<String>,
    pub(crate) stack: Arc<ActiveStack>,
}

/// Runs what blocks beside the threads that serve.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(format!("a background task ended early: {error}"))),
    }
}
