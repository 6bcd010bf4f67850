//! The log-probability of a completion, token by token.

use hyprstream_models::log_softmax_at;

use crate::error::{Error, Result};
use crate::requests::score::Score;
use crate::scheduler::ending::Ending;
use crate::scheduler::job::ScoreTask;
use crate::statistics::Statistics;

/// A completion of which some tokens are scored.
pub(super) struct Scoring {
    task: ScoreTask,
    score: Score,
}

impl Scoring {
    pub(super) fn new(task: ScoreTask) -> Self {
        Self { task, score: Score { logprob: 0.0, tokens: 0 } }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.task.answer.is_closed()
    }

    /// The position of the token that is scored next.
    pub(super) fn next_position(&self) -> usize {
        self.task.completion_start + self.score.tokens
    }

    /// Scores the next token by the logits before it.
    pub(super) fn take(&mut self, token: u32, logits: &[f32]) -> Result<()> {
        self.score.logprob += f64::from(log_softmax_at(logits, token)?);
        self.score.tokens += 1;
        Ok(())
    }

    pub(super) fn finish(self, ending: Ending, statistics: &Statistics) {
        let answer = match ending {
            Ending::Done => {
                statistics.scored_completions.add(1);
                Ok(self.score)
            }
            Ending::Abandoned => Err(Error::Cancelled),
            Ending::Failed(error) => Err(error),
        };
        // Nobody waits when this fails.
        let _ = self.task.answer.send(answer);
    }
}
