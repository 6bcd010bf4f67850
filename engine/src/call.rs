//! The context of a call: who asks, how urgent it is and until when; and what it has cost so far.
//!
//! A statement makes one [`CallContext`], each of its operators takes a child of it, and every request carries one down
//! towards the thread that decodes. Tokens and times are added to the meter of the request's call and to those of its
//! parents, so that an operator shows its own share and the statement the sum.

use std::iter::Sum;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::statistics::{Counter, Statistics};

/// Role of what the process asks by itself.
const LOCAL_ROLE: &str = "hyprstream";

/// A connection, or something else whose requests take turns with those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClientId(pub u64);

impl ClientId {
    /// For requests that name no client; all of them share one turn.
    pub const SHARED: Self = Self(u64::MAX);
}

/// How urgent a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkClass {
    /// A caller waits for the answer.
    Interactive,
    /// No caller waits. It is computed only while no interactive request is in progress on any model.
    Background,
}

/// Who asks, how urgent it is and until when; and what it has cost so far.
#[derive(Debug)]
pub struct CallContext {
    client: ClientId,
    query_id: u64,
    role: Arc<str>,
    class: WorkClass,
    deadline: Option<Instant>,
    meter: Meter,
    parent: Option<Arc<Self>>,
}

impl CallContext {
    /// An interactive call with a query id of its own and no deadline.
    pub fn new(client: ClientId, role: impl Into<Arc<str>>) -> Self {
        static NEXT_QUERY: AtomicU64 = AtomicU64::new(1);
        Self {
            client,
            query_id: NEXT_QUERY.fetch_add(1, Ordering::Relaxed),
            role: role.into(),
            class: WorkClass::Interactive,
            deadline: None,
            meter: Meter::default(),
            parent: None,
        }
    }

    /// A call that this process makes by itself.
    pub fn local() -> Arc<Self> {
        Arc::new(Self::new(ClientId::default(), LOCAL_ROLE))
    }

    /// A call that this process makes in the background.
    pub fn background() -> Arc<Self> {
        Arc::new(Self { class: WorkClass::Background, ..Self::new(ClientId::SHARED, LOCAL_ROLE) })
    }

    /// The same call, cancelled once `deadline` has passed.
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// A part of this call with a meter of its own, which counts into this one's too.
    pub fn operator(self: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            client: self.client,
            query_id: self.query_id,
            role: Arc::clone(&self.role),
            class: self.class,
            deadline: self.deadline,
            meter: Meter::default(),
            parent: Some(Arc::clone(self)),
        })
    }

    /// Whose turn it takes.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// The statement it belongs to; unique in the process.
    pub fn query_id(&self) -> u64 {
        self.query_id
    }

    /// The user it is made for.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// How urgent it is.
    pub fn class(&self) -> WorkClass {
        self.class
    }

    /// When it is cancelled.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether its time is used up.
    pub fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// What it and its operators have cost so far.
    pub fn usage(&self) -> Usage {
        let Meter {
            calls,
            deduplicated_calls,
            prompt_tokens,
            generated_tokens,
            answers,
            queue_us,
            first_token_us,
            decode_us,
        } = &self.meter;
        Usage {
            calls: calls.get(),
            deduplicated_calls: deduplicated_calls.get(),
            prompt_tokens: prompt_tokens.get(),
            generated_tokens: generated_tokens.get(),
            answers: answers.get(),
            queue_time: Duration::from_micros(queue_us.get()),
            time_to_first_token: Duration::from_micros(first_token_us.get()),
            decode_time: Duration::from_micros(decode_us.get()),
        }
    }

    /// The model is called for so many rows.
    pub fn count_calls(&self, rows: usize) {
        self.for_each_meter(|meter| meter.calls.add(rows as u64));
    }

    /// A row has the answer of an equal call.
    pub fn count_deduplicated_call(&self) {
        self.for_each_meter(|meter| meter.deduplicated_calls.add(1));
    }

    /// A request waited for so long before a model took it.
    pub(crate) fn count_queue_time(&self, waited: Duration) {
        self.for_each_meter(|meter| meter.queue_us.add(waited.as_micros() as u64));
    }

    /// All tokens of a prompt, or of a prompt and a completion to score, were computed.
    pub(crate) fn count_prompt(&self, tokens: usize, statistics: &Statistics) {
        statistics.prompt_tokens.add(tokens as u64);
        self.for_each_meter(|meter| meter.prompt_tokens.add(tokens as u64));
    }

    /// Vectors of some texts, which have so many tokens together, were computed.
    pub(crate) fn count_embedded_texts(&self, texts: usize, tokens: usize, statistics: &Statistics) {
        // The statistics are of texts that callers wait for.
        if self.class == WorkClass::Interactive {
            statistics.embedded_texts.add(texts as u64);
            statistics.embedded_tokens.add(tokens as u64);
        }
        self.for_each_meter(|meter| meter.prompt_tokens.add(tokens as u64));
    }

    /// A token was sampled.
    pub(crate) fn count_generated_token(&self, statistics: &Statistics) {
        statistics.generated_tokens.add(1);
        self.for_each_meter(|meter| meter.generated_tokens.add(1));
    }

    /// An answer ended by itself: the milliseconds to its first token and those in all.
    pub(crate) fn count_answer(&self, first_token_ms: f64, total_ms: f64, statistics: &Statistics) {
        statistics.completed_requests.add(1);
        self.for_each_meter(|meter| {
            meter.answers.add(1);
            meter.first_token_us.add((first_token_ms * 1e3) as u64);
            meter.decode_us.add(((total_ms - first_token_ms).max(0.0) * 1e3) as u64);
        });
    }

    fn for_each_meter(&self, count: impl Fn(&Meter)) {
        let mut call = Some(self);
        while let Some(CallContext { meter, parent, .. }) = call {
            count(meter);
            call = parent.as_deref();
        }
    }
}

/// What a call has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Rows that the model was called for.
    pub calls: u64,
    /// Rows that have the answer of an equal call.
    pub deduplicated_calls: u64,
    /// Tokens that were read: of prompts, of completions to score, of texts to embed.
    pub prompt_tokens: u64,
    /// Tokens that were generated, those of answers that were broken off included.
    pub generated_tokens: u64,
    /// Answers that ended by themselves.
    pub answers: u64,
    /// Time that requests waited before a model took them, added up.
    pub queue_time: Duration,
    /// Time from request to first token, added up over the answers.
    pub time_to_first_token: Duration,
    /// Time from first token to end, added up over the answers.
    pub decode_time: Duration,
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            calls: sum.calls + part.calls,
            deduplicated_calls: sum.deduplicated_calls + part.deduplicated_calls,
            prompt_tokens: sum.prompt_tokens + part.prompt_tokens,
            generated_tokens: sum.generated_tokens + part.generated_tokens,
            answers: sum.answers + part.answers,
            queue_time: sum.queue_time + part.queue_time,
            time_to_first_token: sum.time_to_first_token + part.time_to_first_token,
            decode_time: sum.decode_time + part.decode_time,
        })
    }
}

#[derive(Debug, Default)]
struct Meter {
    calls: Counter,
    deduplicated_calls: Counter,
    prompt_tokens: Counter,
    generated_tokens: Counter,
    answers: Counter,
    queue_us: Counter,
    first_token_us: Counter,
    decode_us: Counter,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::{CallContext, ClientId, Usage, WorkClass};
    use crate::statistics::Statistics;

    #[test]
    fn an_operator_counts_its_own_share_and_the_statement_the_sum() {
        let statement = Arc::new(CallContext::new(ClientId(7), "ada"));
        let (one, two) = (statement.operator(), statement.operator());
        let statistics = Statistics::default();
        one.count_calls(1);
        one.count_prompt(10, &statistics);
        for _ in 0..4 {
            one.count_generated_token(&statistics);
        }
        one.count_answer(1.5, 3.0, &statistics);
        two.count_calls(2);
        two.count_deduplicated_call();
        two.count_queue_time(Duration::from_millis(2));
        two.count_generated_token(&statistics);
        two.count_answer(0.5, 0.5, &statistics);
        assert_eq!(
            one.usage(),
            Usage {
                calls: 1,
                deduplicated_calls: 0,
                prompt_tokens: 10,
                generated_tokens: 4,
                answers: 1,
                queue_time: Duration::ZERO,
                time_to_first_token: Duration::from_micros(1500),
                decode_time: Duration::from_micros(1500),
            }
        );
        assert_eq!([one.usage(), two.usage()].into_iter().sum::<Usage>(), statement.usage());
        assert_eq!(
            statement.usage(),
            Usage {
                calls: 3,
                deduplicated_calls: 1,
                prompt_tokens: 10,
                generated_tokens: 5,
                answers: 2,
                queue_time: Duration::from_millis(2),
                time_to_first_token: Duration::from_millis(2),
                decode_time: Duration::from_micros(1500),
            }
        );
        assert_eq!((statistics.prompt_tokens.get(), statistics.generated_tokens.get()), (10, 5));
        assert_eq!(statistics.completed_requests.get(), 2);
    }

    #[test]
    fn an_operator_is_of_the_same_caller_and_statement() {
        let deadline = Instant::now() + Duration::from_mins(1);
        let statement = Arc::new(CallContext::new(ClientId(7), "ada").with_deadline(deadline));
        let operator = statement.operator();
        assert_eq!((operator.client(), operator.role()), (ClientId(7), "ada"));
        assert_eq!(operator.query_id(), statement.query_id());
        assert_eq!((operator.class(), operator.deadline()), (WorkClass::Interactive, Some(deadline)));
        assert_ne!(CallContext::local().query_id(), statement.query_id());
        assert_eq!(CallContext::background().operator().class(), WorkClass::Background);
    }

    #[test]
    fn a_call_ends_with_its_time() {
        assert!(!CallContext::local().is_past_deadline());
        let call = CallContext::new(ClientId(1), "ada");
        assert!(call.with_deadline(Instant::now()).is_past_deadline());
    }
}
