//! One request in the batch: its tokens, what of them is cached, and what is done with its logits.

use std::sync::Arc;

use hyprstream_models::{Batch, Sampler, TokenStream, Tokenizer, log_softmax_at};
use tokio::sync::{mpsc, oneshot};

use super::job::{ActiveStack, Event, Finished, GenerateJob, Recording, ScoreJob};
use super::stop_text::StopText;
use crate::error::{Error, Result};
use crate::recording::trajectory::Outcome;
use crate::requests::generate::FinishReason;
use crate::requests::score::Score;
use crate::statistics::Statistics;

/// A request that has a stretch of the cache.
pub(crate) struct Sequence<'a> {
    pub(crate) slot: u32,
    /// The number of its admission: prompts are computed in this order.
    pub(crate) turn: u64,
    pub(crate) stack: Arc<ActiveStack>,
    /// Prompt, and what was generated so far.
    pub(crate) tokens: Vec<u32>,
    /// How many of the tokens the cache holds.
    pub(crate) cached: usize,
    /// The most tokens it will ever have.
    pub(crate) need: usize,
    task: Task<'a>,
}

enum Task<'a> {
    Generate(Box<Generating<'a>>),
    Score(Scoring),
}

struct Generating<'a> {
    sampler: Sampler,
    tokenizer: &'a Tokenizer,
    /// `None` once the answer has ended.
    stream: Option<TokenStream<'a>>,
    text: StopText,
    prompt_tokens: usize,
    max_tokens: usize,
    logprobs: Vec<f32>,
    streams_tokens: bool,
    began: std::time::Instant,
    first_token_ms: f64,
    /// The answer ended because its tokens were used up.
    cut_off: bool,
    events: mpsc::UnboundedSender<Event>,
    recording: Option<Recording>,
}

struct Scoring {
    completion_start: usize,
    logprob: f64,
    scored: usize,
    answer: oneshot::Sender<Result<Score>>,
}

impl<'a> Sequence<'a> {
    pub(crate) fn generate(need: usize, job: GenerateJob, tokenizer: &'a Tokenizer) -> Self {
        let GenerateJob {
            stack, prompt, max_tokens, sampler, stop, stream, began, events, recording, ..
        } = job;
        let generating = Generating {
            sampler,
            stream: Some(tokenizer.stream()),
            tokenizer,
            text: StopText::new(stop),
            prompt_tokens: prompt.len(),
            max_tokens: max_tokens.min(need - prompt.len()),
            logprobs: Vec::with_capacity(max_tokens.min(1024)),
            streams_tokens: stream,
            began,
            first_token_ms: 0.0,
            cut_off: false,
            events,
            recording,
        };
        Self {
            slot: 0,
            turn: 0,
            stack,
            tokens: prompt,
            cached: 0,
            need,
            task: Task::Generate(Box::new(generating)),
        }
    }

    pub(crate) fn score(job: ScoreJob) -> Self {
        let ScoreJob { stack, tokens, completion_start, answer } = job;
        let need = tokens.len();
        let scoring = Scoring { completion_start, logprob: 0.0, scored: 0, answer };
        Self { slot: 0, turn: 0, stack, tokens, cached: 0, need, task: Task::Score(scoring) }
    }

    /// Tokens that the cache does not hold yet.
    pub(crate) fn pending(&self) -> usize {
        self.tokens.len() - self.cached
    }

    /// Puts the next `count` tokens into a batch; gives the first one's row.
    pub(crate) fn feed(&self, count: usize, batch: &mut Batch) -> Result<usize> {
        let row = batch.len();
        for position in self.cached..self.cached + count {
            batch.add(self.tokens[position], position as u32, self.slot, self.wants_logits(position))?;
        }
        Ok(row)
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.task {
            Task::Generate(generating) => generating.events.is_closed(),
            Task::Score(scoring) => scoring.answer.is_closed(),
        }
    }

    /// Whether the logits after the token at `position` are needed.
    pub(crate) fn wants_logits(&self, position: usize) -> bool {
        match &self.task {
            Task::Generate(_) => position + 1 == self.tokens.len(),
            Task::Score(scoring) => {
                let next = scoring.completion_start + scoring.scored;
                position + 1 >= next && position + 1 < self.tokens.len()
            }
        }
    }

    /// Takes the logits after the token at `position`. Returns whether the request is finished.
    pub(crate) fn take_logits(
        &mut self,
        position: usize,
        logits: &[f32],
        statistics: &Statistics,
    ) -> Result<bool> {
        match &mut self.task {
            Task::Generate(generating) => generating.take(&mut self.tokens, logits, statistics),
            Task::Score(scoring) => {
                scoring.logprob += f64::from(log_softmax_at(logits, self.tokens[position + 1])?);
                scoring.scored += 1;
                Ok(scoring.completion_start + scoring.scored == self.tokens.len())
            }
        }
    }

    /// Answers the request: with its result, or with the error that ended it.
    pub(crate) fn finish(self, ending: Ending, statistics: &Statistics) {
        match self.task {
            Task::Generate(generating) => generating.finish(&self.tokens, ending, statistics),
            Task::Score(scoring) => {
                let answer = match ending {
                    Ending::Done => {
                        statistics.scored_completions.add(1);
                        Ok(Score { logprob: scoring.logprob, tokens: scoring.scored })
                    }
                    Ending::Abandoned => Err(Error::Cancelled),
                    Ending::Failed(error) => Err(error),
                };
                // Nobody waits when this fails.
                let _ = scoring.answer.send(answer);
            }
        }
    }
}

/// How a sequence leaves the batch.
pub(crate) enum Ending {
    Done,
    Abandoned,
    Failed(Error),
}

impl Generating<'_> {
    fn take(&mut self, tokens: &mut Vec<u32>, logits: &[f32], statistics: &Statistics) -> Result<bool> {
        let sampled = self.sampler.sample(logits)?;
        let elapsed_ms = self.began.elapsed().as_secs_f64() * 1e3;
        if self.logprobs.is_empty() {
            self.first_token_ms = elapsed_ms;
        }
        statistics.generated_tokens.add(1);
        tokens.push(sampled.token_id);
        self.logprobs.push(sampled.logprob);
        let ended = self.tokenizer.is_end(sampled.token_id);
        let mut shown = String::new();
        let mut stopped = false;
        if !ended && let Some(stream) = &mut self.stream {
            (shown, stopped) = self.text.push(&stream.push(sampled.token_id)?);
        }
        let finished = ended || stopped || self.logprobs.len() >= self.max_tokens;
        if finished && !stopped {
            let rest = self.stream.take().map_or(Ok(String::new()), TokenStream::finish)?;
            let (rest, ends) = self.text.push(&rest);
            shown.push_str(&rest);
            stopped = ends;
            shown.push_str(&self.text.flush());
        }
        if self.streams_tokens {
            let token = Event::Token {
                token_id: sampled.token_id,
                text: shown,
                logprob: sampled.logprob,
                elapsed_ms,
            };
            // A closed channel is seen before the next decode.
            let _ = self.events.send(token);
        }
        self.cut_off = finished && !ended && !stopped;
        Ok(finished)
    }

    fn finish(self: Box<Self>, tokens: &[u32], ending: Ending, statistics: &Statistics) {
        let Self { text, prompt_tokens, cut_off, logprobs, began, first_token_ms, events, recording, .. } =
            *self;
        let finish_reason = match &ending {
            Ending::Done if cut_off => FinishReason::Length,
            Ending::Done => FinishReason::Stop,
            Ending::Abandoned | Ending::Failed(_) => FinishReason::Cancelled,
        };
        let total_ms = began.elapsed().as_secs_f64() * 1e3;
        let text = text.into_text();
        let completion_tokens = logprobs.len();
        if let (Some(Recording { header, sender }), false) = (recording, matches!(ending, Ending::Failed(_)))
        {
            let outcome = Outcome {
                completion: text.clone(),
                finish_reason: finish_reason.as_str().to_owned(),
                time_to_first_token_ms: first_token_ms,
                total_ms,
                token_ids: tokens[prompt_tokens..].to_vec(),
                logprobs,
            };
            sender.push(header, outcome);
        }
        let event = match ending {
            Ending::Done => {
                statistics.completed_requests.add(1);
                Event::Finished(Finished {
                    text,
                    finish_reason,
                    prompt_tokens,
                    completion_tokens,
                    time_to_first_token_ms: first_token_ms,
                    total_ms,
                })
            }
            Ending::Abandoned => {
                statistics.cancelled_requests.add(1);
                Event::Failed(Error::Cancelled)
            }
            Ending::Failed(error) => {
                statistics.failed_requests.add(1);
                Event::Failed(error)
            }
        };
        // Nobody listens when this fails.
        let _ = events.send(event);
    }
}
