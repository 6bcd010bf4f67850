//! From a request for text to a job of the model's decode thread.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use hyprstream_models::Sampler;
use tokio::sync::mpsc;

use crate::adapters::store::AdapterStore;
use crate::answering::answer_stream::{Generation, PendingTurn};
use crate::answering::parameters::{check, parameters, provenance, seeded};
use crate::answering::prompt::{PromptParts, prompt_tokens};
use crate::catalog::conversations::Conversations;
use crate::catalog::settings::Settings;
use crate::clock::now_micros;
use crate::error::Result;
use crate::models::registry::Registry;
use crate::recording::recorder::Recorder;
use crate::recording::trajectory::Header;
use crate::requests::generate::{Completion, GenerateRequest};
use crate::scheduler::{DecodeJob, GenerateTask, Job, Recording, Task};
use crate::statistics::Statistics;

/// What text is generated from, and where it is kept.
#[derive(Debug)]
pub(crate) struct Generator {
    pub(crate) registry: Arc<Registry>,
    pub(crate) adapter_store: AdapterStore,
    pub(crate) conversations: Conversations,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) statistics: Arc<Statistics>,
}

impl Generator {
    /// Starts an answer that is sent token by token.
    pub(crate) async fn stream(&self, request: GenerateRequest) -> Result<Generation> {
        self.start(request, true).await
    }

    pub(crate) async fn complete(&self, request: GenerateRequest) -> Result<Completion> {
        let mut generation = self.start(request, false).await?;
        while let Some(token) = generation.next().await {
            token?;
        }
        generation.into_completion()
    }

    async fn start(&self, request: GenerateRequest, stream: bool) -> Result<Generation> {
        let (began, created_at) = (Instant::now(), now_micros());
        check(&request)?;
        self.statistics.requests.add(1);
        let runtime = self.registry.runtime(request.model.as_deref()).await?;
        let stack = runtime.stack(&self.adapter_store, request.adapter.as_deref()).await?;
        let turn = match &request.conversation {
            Some(name) => Some(self.conversations.turn(name, &runtime.name).await?),
            None => None,
        };
        let parts = PromptParts {
            history: turn.as_ref().map_or(&[], |turn| turn.history()),
            system: request.system.as_deref(),
            prompt: &request.prompt,
            raw: request.raw,
        };
        let prompt = prompt_tokens(&runtime.files, &parts)?;
        runtime.check_length(prompt.len(), 1)?;
        let permit = runtime.queue_permit(&request.call).await?;
        let sampling = seeded(&request.sampling);
        let parameters = parameters(&request, &sampling)?;
        let provenance = provenance(&runtime, &stack, &parameters, &prompt);
        let records = request.record.unwrap_or_else(|| self.settings.record_trajectories());
        let trajectory_id = records.then(|| self.recorder.allocate_id());
        let recording = trajectory_id.map(|id| Recording {
            header: Header {
                id,
                created_at,
                conversation: request.conversation,
                model: runtime.name.clone(),
                model_hash: runtime.hash.to_string(),
                adapter: stack.label,
                parameters,
                prompt: request.prompt.clone(),
                prompt_tokens: prompt.len() as u32,
                provenance: provenance.clone(),
            },
            sender: self.recorder.sender(),
        });
        let (events, receiver) = mpsc::unbounded_channel();
        let task = Task::Generate(Box::new(GenerateTask {
            max_tokens: request.max_tokens as usize,
            sampler: Sampler::try_new(&sampling)?,
            stop: request.stop,
            stream,
            began,
            events,
            recording,
        }));
        runtime.submit(Job::Decode(DecodeJob {
            call: request.call,
            stack: stack.stack,
            tokens: prompt,
            queued_at: Instant::now(),
            permit: Some(permit),
            task,
        }))?;
        let turn = turn.map(|turn| PendingTurn { turn, system: request.system, prompt: request.prompt });
        Ok(Generation::new(receiver, runtime, provenance, trajectory_id, turn))
    }
}
