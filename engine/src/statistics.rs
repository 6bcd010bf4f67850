//! Counters since the engine was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter or measure.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticRow {
    /// Its name, such as `dropped_records`.
    pub name: String,
    /// Its value.
    pub value: u64,
}

/// A number that many threads count up; reading it may lag behind.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Everything that is counted.
        #[derive(Debug, Default)]
        pub(crate) struct Statistics {
            $($(#[doc = $doc])* pub(crate) $name: Counter,)*
        }

        impl Statistics {
            /// The counters as the table shows them, by name.
            pub(crate) fn rows(&self) -> Vec<StatisticRow> {
                let mut rows =
                    vec![$(StatisticRow { name: stringify!($name).to_owned(), value: self.$name.get() },)*];
                rows.sort_by(|a, b| a.name.cmp(&b.name));
                rows
            }
        }
    };
}

counters! {
    /// Generations asked for.
    requests,
    /// Generations that ended by themselves.
    completed_requests,
    /// Generations whose caller went away.
    cancelled_requests,
    /// Generations that ended with an error.
    failed_requests,
    /// Generations waiting for a sequence now.
    waiting_requests,
    /// Sequences in the batch now.
    active_sequences,
    /// Tokens of prompts and of completions to score; each counts once, however often it is computed.
    prompt_tokens,
    /// Tokens sampled.
    generated_tokens,
    /// Calls of the runtime's decode.
    decodes,
    /// Decodes that had to change the adapters first.
    adapter_switches,
    /// Times a key-value cache was made anew in another shape.
    cache_reshapes,
    /// Times a sequence was moved beside others of its adapters, because another that ended had left a gap.
    moved_sequences,
    /// Completions scored.
    scored_completions,
    /// Texts embedded for callers.
    embedded_texts,
    /// Tokens in them.
    embedded_tokens,
    /// Trajectories handed to the recorder.
    recorded_trajectories,
    /// Tokens in them.
    recorded_tokens,
    /// Nanoseconds that recording took on decode threads.
    recording_ns,
    /// Trajectories lost because the ring was full.
    dropped_records,
    /// Tokens in them.
    dropped_tokens,
    /// Trajectories that could not be written to the disk.
    unwritten_trajectories,
    /// Trajectories whose prompts were embedded and stored.
    embedded_trajectories,
    /// Trajectories whose prompts could not be embedded.
    unembedded_trajectories,
    /// Training runs begun.
    training_runs,
    /// Training steps made.
    training_steps,
    /// Tokens trained on.
    trained_tokens,
    /// Adapters loaded beside a model.
    adapter_loads,
}
