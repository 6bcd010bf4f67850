//! Text, step by step: from a request to a job of the model's decode thread.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use hyprstream_models::{Sampler, SamplingOptions};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::adapter_store::{hex, to_json};
use crate::clock::now_micros;
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::generation::{Completion, GenerateRequest, Generation, PendingTurn};
use crate::prompt::{PromptParts, prompt_tokens};
use crate::recording::Header;
use crate::runtime::{NamedStack, Runtime, blocking};
use crate::scheduler::{GenerateJob, Job, Recording};

const MOST_TOKENS: u32 = 1_000_000;
const MOST_STOPS: usize = 16;
const LONGEST_STOP: usize = 1024;

impl Engine {
    /// Starts an answer; waits while the model loads and while its queue is full.
    pub async fn generate(&self, request: GenerateRequest) -> Result<Generation> {
        self.start(request, true).await
    }

    /// A whole answer at once; dropping the future cancels it.
    pub async fn complete(&self, request: GenerateRequest) -> Result<Completion> {
        let mut generation = self.start(request, false).await?;
        while let Some(token) = generation.next().await {
            token?;
        }
        generation.into_completion()
    }

    /// The model that a request means, loaded.
    pub(crate) async fn runtime(&self, model: Option<&str>) -> Result<Arc<Runtime>> {
        if self.is_closed() {
            return Err(Error::Cancelled);
        }
        let slot = self.slot(model)?;
        match slot.loaded() {
            Some(runtime) => Ok(runtime),
            None => blocking(move || slot.load()).await,
        }
    }

    async fn start(&self, request: GenerateRequest, stream: bool) -> Result<Generation> {
        let (began, created_at) = (Instant::now(), now_micros());
        check(&request)?;
        self.statistics.requests.add(1);
        let runtime = self.runtime(request.model.as_deref()).await?;
        let stack = runtime.stack(&self.adapter_store, request.adapter.as_deref()).await?;
        let session = match &request.session {
            Some(name) => Some(self.sessions.turn(name, &runtime.name).await?),
            None => None,
        };
        let prompt = prompt_tokens(
            &runtime.files,
            &PromptParts {
                history: session.as_ref().map_or(&[], |session| session.history()),
                system: request.system.as_deref(),
                prompt: &request.prompt,
                raw: request.raw,
            },
        )?;
        if prompt.len() >= runtime.context_length {
            return Err(Error::PromptTooLong {
                prompt_tokens: prompt.len(),
                context: runtime.context_length,
            });
        }
        let place = runtime.place(request.client).await?;
        let sampling = seeded(&request.sampling);
        let parameters = parameters(&request, &sampling)?;
        let provenance = provenance(&runtime, &stack, &parameters, &prompt);
        let records = request.record.unwrap_or_else(|| self.settings.record_trajectories());
        let trajectory_id = records.then(|| self.recorder.allocate_id());
        let recording = trajectory_id.map(|id| Recording {
            header: Header {
                id,
                created_at,
                session: request.session.clone(),
                model: runtime.name.clone(),
                model_hash: runtime.hash.to_string(),
                adapter: stack.label.clone(),
                parameters,
                prompt: request.prompt.clone(),
                prompt_tokens: prompt.len() as u32,
                provenance: provenance.clone(),
            },
            sender: self.recorder.sender(),
        });
        let (events, receiver) = mpsc::unbounded_channel();
        runtime.submit(Job::Generate(Box::new(GenerateJob {
            client: request.client,
            stack: stack.stack,
            prompt,
            max_tokens: request.max_tokens as usize,
            sampler: Sampler::try_new(&sampling)?,
            stop: request.stop,
            stream,
            began,
            events,
            recording,
            place: Some(place),
        })))?;
        let turn =
            session.map(|session| PendingTurn { session, system: request.system, prompt: request.prompt });
        Ok(Generation::new(receiver, runtime, provenance, trajectory_id, turn))
    }
}

/// Refuses parameters that no answer can be made with.
fn check(request: &GenerateRequest) -> Result<()> {
    if request.max_tokens == 0 || request.max_tokens > MOST_TOKENS {
        let reason = format!("it is between 1 and {MOST_TOKENS}");
        return Err(Error::argument("max_tokens", request.max_tokens, reason));
    }
    let SamplingOptions { temperature, top_p, min_p, .. } = request.sampling;
    if !(0.0..=10.0).contains(&temperature) {
        return Err(Error::argument("temperature", temperature, "it is between 0 and 10"));
    }
    if !(top_p > 0.0 && top_p <= 1.0) {
        return Err(Error::argument("top_p", top_p, "it is above 0 and at most 1"));
    }
    if !(0.0..=1.0).contains(&min_p) {
        return Err(Error::argument("min_p", min_p, "it is between 0 and 1"));
    }
    if request.stop.len() > MOST_STOPS {
        return Err(Error::argument(
            "stop",
            format!("of {} texts", request.stop.len()),
            format!("at most {MOST_STOPS} are possible"),
        ));
    }
    match request.stop.iter().find(|stop| stop.is_empty() || stop.len() > LONGEST_STOP) {
        Some(stop) => {
            let reason = format!("a stop text has 1 to {LONGEST_STOP} bytes");
            Err(Error::argument("stop", format!("of {} bytes", stop.len()), reason))
        }
        None => Ok(()),
    }
}

/// The same options with a seed where chance has a part, so that the answer can be repeated.
fn seeded(sampling: &SamplingOptions) -> SamplingOptions {
    let mut sampling = sampling.clone();
    if sampling.temperature > 0.0 && sampling.seed.is_none() {
        // The standard library's hasher keys are random; 53 bits survive any JSON reader.
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now_micros());
        sampling.seed = Some(random >> 11);
    }
    sampling
}

/// Whatever beside model, adapters and prompt decides the answer, as JSON.
fn parameters(request: &GenerateRequest, sampling: &SamplingOptions) -> Result<String> {
    let value = serde_json::json!({
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "seed": sampling.seed,
        "stop": request.stop,
        "system": request.system,
        "raw": request.raw,
    });
    Ok(String::from_utf8_lossy(&to_json(&value)?).into_owned())
}

/// Names what an answer comes from: the model, the adapters with their scales, the parameters and the tokens sent.
fn provenance(runtime: &Runtime, stack: &NamedStack, parameters: &str, prompt: &[u32]) -> String {
    let mut hash = Sha256::new();
    hash.update(runtime.hash.as_bytes());
    hash.update((stack.stack.key.len() as u64).to_le_bytes());
    for (adapter, scale) in &stack.stack.key {
        hash.update(adapter);
        hash.update(scale.to_le_bytes());
    }
    hash.update((parameters.len() as u64).to_le_bytes());
    hash.update(parameters);
    for token in prompt {
        hash.update(token.to_le_bytes());
    }
    hex(&hash.finalize())
}
