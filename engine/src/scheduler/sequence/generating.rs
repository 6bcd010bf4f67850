//! An answer in progress, token by token.

use hyprstream_models::{TokenStream, Tokenizer};

use super::stop_text::StopText;
use crate::call::CallContext;
use crate::error::{Error, Result};
use crate::recording::trajectory::Outcome;
use crate::requests::generate::FinishReason;
use crate::scheduler::ending::Ending;
use crate::scheduler::job::{Event, Finished, GenerateTask, Recording};
use crate::statistics::Statistics;

/// An answer of which some tokens are sampled.
pub(super) struct Generating<'a> {
    task: GenerateTask,
    tokenizer: &'a Tokenizer,
    /// `None` once the answer has ended.
    stream: Option<TokenStream<'a>>,
    text: StopText,
    prompt_tokens: usize,
    max_tokens: usize,
    logprobs: Vec<f32>,
    first_token_ms: f64,
    /// The answer ended because its tokens were used up.
    is_cut_off: bool,
}

impl<'a> Generating<'a> {
    /// An answer to a prompt of `prompt_tokens`, behind which the slot holds `room` more.
    pub(super) fn new(
        mut task: GenerateTask,
        prompt_tokens: usize,
        room: usize,
        tokenizer: &'a Tokenizer,
    ) -> Self {
        Self {
            tokenizer,
            stream: Some(tokenizer.stream()),
            text: StopText::new(std::mem::take(&mut task.stop)),
            prompt_tokens,
            max_tokens: task.max_tokens.min(room),
            logprobs: Vec::with_capacity(task.max_tokens.min(1024)),
            first_token_ms: 0.0,
            is_cut_off: false,
            task,
        }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.task.events.is_closed()
    }

    /// Samples the next token and adds it to `tokens`. Returns whether the answer is finished.
    pub(super) fn take(
        &mut self,
        tokens: &mut Vec<u32>,
        logits: &[f32],
        call: &CallContext,
        statistics: &Statistics,
    ) -> Result<bool> {
        let sampled = self.task.sampler.sample(logits)?;
        let elapsed_ms = self.elapsed_ms();
        if self.logprobs.is_empty() {
            self.first_token_ms = elapsed_ms;
        }
        call.count_generated_token(statistics);
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
            let end = if ended { TokenStream::finish } else { TokenStream::cut_off };
            let rest = self.stream.take().map_or(Ok(String::new()), end)?;
            let (rest, ends) = self.text.push(&rest);
            shown.push_str(&rest);
            stopped = ends;
            shown.push_str(&self.text.flush());
        }
        if self.task.stream {
            let token = Event::Token {
                token_id: sampled.token_id,
                text: shown,
                logprob: sampled.logprob,
                elapsed_ms,
            };
            // A closed channel is seen before the next decode.
            let _ = self.task.events.send(token);
        }
        self.is_cut_off = finished && !ended && !stopped;
        Ok(finished)
    }

    fn elapsed_ms(&self) -> f64 {
        self.task.began.elapsed().as_secs_f64() * 1e3
    }

    /// Records the answer where that is wanted, and sends its end. `tokens` are those of prompt and answer.
    pub(super) fn finish(
        self: Box<Self>,
        tokens: &[u32],
        ending: Ending,
        call: &CallContext,
        statistics: &Statistics,
    ) {
        let finish_reason = match &ending {
            Ending::Done if self.is_cut_off => FinishReason::Length,
            Ending::Done => FinishReason::Stop,
            Ending::Abandoned | Ending::Failed(_) => FinishReason::Cancelled,
        };
        let total_ms = self.elapsed_ms();
        let Self { task, text, prompt_tokens, logprobs, first_token_ms, .. } = *self;
        let text = text.into_text();
        let completion_tokens = logprobs.len();
        if let Some(Recording { header, sender }) = task.recording
            && !matches!(ending, Ending::Failed(_))
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
                call.count_answer(first_token_ms, total_ms, statistics);
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
        let _ = task.events.send(event);
    }
}
