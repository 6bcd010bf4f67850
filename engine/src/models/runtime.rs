//! A model in memory: its weights, its decode thread and the adapters kept ready beside it.

use std::sync::Arc;

use hyprstream_models::{ContentHash, LlamaModel, LoadOptions, ModelFiles};
use tokio::sync::OwnedSemaphorePermit;

use crate::adapters::resolve::{ResolvedAdapter, resolve_stack, stack_label};
use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::call::CallContext;
use crate::data_dir::CACHE;
use crate::error::{Error, Result};
use crate::models::adapter_cache::AdapterCache;
use crate::models::queue_permits::QueuePermits;
use crate::models::sizing::{context_length, decode_options, weight_type};
use crate::options::EngineOptions;
use crate::scheduler::{ActiveStack, Job, Scheduler};
use crate::statistics::Statistics;

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) name: String,
    pub(crate) files: Arc<ModelFiles>,
    pub(crate) hash: ContentHash,
    /// Tokens of prompt and answer that a request may have.
    context_length: usize,
    weights_name: &'static str,
    /// The types of numbers that an answer is computed with.
    pub(crate) arithmetic: String,
    model: Arc<LlamaModel>,
    adapters: AdapterCache,
    queue_permits: QueuePermits,
    scheduler: Scheduler,
}

impl Runtime {
    pub(crate) fn load(
        name: &str,
        files: Arc<ModelFiles>,
        options: &EngineOptions,
        statistics: &Arc<Statistics>,
    ) -> Result<Self> {
        let weight_type = weight_type(options, &files);
        let gguf_dir = options.data_dir.join(CACHE);
        std::fs::create_dir_all(&gguf_dir).map_err(Error::io("make the directory", &gguf_dir))?;
        let model = files.load(&gguf_dir, weight_type, &LoadOptions::default())?;
        let decode = decode_options(options, name, files.config(), &model);
        let arithmetic = format!(
            "{} weights, {:?} cache, {} attention",
            weight_type.name(),
            decode.cache_type,
            if decode.flash_attention { "fused" } else { "plain" },
        );
        let scheduler =
            Scheduler::start(Arc::clone(&model), files.tokenizer(), decode, Arc::clone(statistics))?;
        Ok(Self {
            name: name.to_owned(),
            hash: files.content_hash(),
            context_length: context_length(options, files.config()) as usize,
            weights_name: weight_type.name(),
            arithmetic,
            adapters: AdapterCache::new(Arc::clone(&model), options.adapter_memory, Arc::clone(statistics)),
            queue_permits: QueuePermits::new(options.queue_capacity.max(1)),
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
        let resolved = resolve_stack(&store.snapshot(), name, &self.files)?;
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

    /// Waits until the caller may queue another request.
    pub(crate) async fn queue_permit(&self, call: &CallContext) -> Result<OwnedSemaphorePermit> {
        self.queue_permits.acquire(call).await
    }

    pub(crate) fn submit(&self, job: Job) -> Result<()> {
        self.scheduler.submit(job)
    }

    /// Refuses a prompt that leaves the context no room for `generated` more tokens.
    pub(crate) fn check_length(&self, prompt_tokens: usize, generated: usize) -> Result<()> {
        if prompt_tokens + generated > self.context_length {
            return Err(Error::PromptTooLong { prompt_tokens, context: self.context_length });
        }
        Ok(())
    }

    /// Has the decode in progress, or the next one, fail.
    #[cfg(test)]
    pub(crate) fn fail_decode(&self) {
        self.scheduler.abort_decode();
    }

    pub(crate) fn close(&self) {
        self.queue_permits.close();
        self.scheduler.close();
    }
}

/// An adapter stack with the label that tables show.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedStack {
    pub(crate) label: Option<String>,
    pub(crate) stack: Arc<ActiveStack>,
}
