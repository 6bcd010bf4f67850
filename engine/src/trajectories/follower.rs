//! The thread that follows the trajectory log and has prompts embedded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyprstream_storage::{LogPosition, TrajectoryLog};
use parking_lot::Mutex;

use crate::adapters::store::AdapterStore;
use crate::answering::embed::{submit, text_tokens};
use crate::call::CallContext;
use crate::catalog::settings::Settings;
use crate::error::{Error, Result};
use crate::models::registry::Registry;
use crate::models::runtime::Runtime;
use crate::recording::format;
use crate::requests::embed::Embedding;
use crate::statistics::Statistics;
use crate::trajectories::embeddings::{block_and_row, followed_positions, put_embeddings};

/// Records of one commit.
const RECORDS: usize = 64;
/// How often the log is looked at while there is nothing new in it.
const POLL: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_secs(5);

/// The log that is followed, and what embedding its prompts needs.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) log: Arc<TrajectoryLog>,
    pub(crate) store: AdapterStore,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) statistics: Arc<Statistics>,
}

/// A handle on the thread.
#[derive(Debug)]
pub(crate) struct TrajectoryEmbeddings {
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl TrajectoryEmbeddings {
    /// Begins to follow the log; nothing may have been appended to it since it was opened.
    pub(crate) fn start(followed: Followed) -> Result<Self> {
        let positions = followed_positions(&followed.store, followed.log.end())?;
        let closing = Arc::new(AtomicBool::new(false));
        let mut follower = Follower { followed, positions, closing: Arc::clone(&closing) };
        let thread = thread::Builder::new()
            .name("embeddings".to_owned())
            .spawn(move || follower.run())
            .map_err(|error| Error::Resource(format!("cannot start the thread of embeddings: {error}")))?;
        Ok(Self { closing, thread: Mutex::new(Some(thread)) })
    }

    /// Tells the thread to end, which it does once its request to a model is answered.
    pub(crate) fn stop(&self) {
        self.closing.store(true, Ordering::Release);
        if let Some(thread) = self.thread.lock().as_ref() {
            thread.thread().unpark();
        }
    }

    /// Waits for the thread after [`Self::stop`]. The models are closed before, so that none keeps it waiting.
    pub(crate) fn join(&self) {
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of embeddings panicked");
        }
    }
}

struct Follower {
    followed: Followed,
    /// How far each model was followed, by its hash.
    positions: HashMap<String, LogPosition>,
    closing: Arc<AtomicBool>,
}

impl Follower {
    fn run(&mut self) {
        while !self.is_closing() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => self.pause(POLL),
                Err(Error::Cancelled) if self.is_closing() => {}
                Err(error) => {
                    tracing::error!(%error, "recorded prompts are not embedded yet");
                    self.pause(RETRY);
                }
            }
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn pause(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.is_closing() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }

    /// The next records of the log for each model in memory. Returns whether there may be more.
    fn step(&mut self) -> Result<bool> {
        if !self.followed.settings.embed_trajectories() {
            return Ok(false);
        }
        let mut went_on = false;
        for (hash, runtime) in self.followed.registry.loaded() {
            went_on |= !self.is_closing() && self.follow(&hash, &runtime)?;
        }
        Ok(went_on)
    }

    /// Embeds the next prompts that a model answered. Returns whether there was anything new in the log.
    fn follow(&mut self, hash: &str, runtime: &Runtime) -> Result<bool> {
        let Followed { log, store, statistics, .. } = &self.followed;
        let (from, to) = (self.positions.get(hash).copied().unwrap_or_default(), log.end());
        if from >= to {
            return Ok(false);
        }
        let read = log.read_range(from, to, RECORDS)?;
        let (mut ids, mut texts, mut failed) = (Vec::new(), Vec::new(), 0);
        for record in read.records {
            // A SELECT reports a record that cannot be read; here it has no prompt to embed.
            let Ok(row) = format::decode(record.id, &record.payload) else {
                continue;
            };
            if row.model_hash != hash {
                continue;
            }
            match text_tokens(runtime, &row.prompt) {
                Ok(tokens) if block_and_row(row.id).is_some() => {
                    ids.push(row.id);
                    texts.push(tokens);
                }
                _ => failed += 1,
            }
        }
        let vectors = embed(runtime, &texts)?;
        let mut found = Vec::with_capacity(ids.len());
        for (id, vector) in ids.into_iter().zip(vectors) {
            match vector {
                Some(vector) => found.push((id, vector)),
                None => failed += 1,
            }
        }
        // Where all records are of other models, the position alone is committed once a segment.
        if !found.is_empty() || failed > 0 || read.end.segment != from.segment {
            // No position may lie beyond what a loss of power leaves of the log.
            log.flush()?;
            put_embeddings(store, &runtime.name, hash, &found, read.end)?;
            statistics.embedded_trajectories.add(found.len() as u64);
            statistics.unembedded_trajectories.add(failed);
        }
        self.positions.insert(hash.to_owned(), read.end);
        Ok(true)
    }
}

/// The vectors of texts in their order; `None` for one that has none.
fn embed(runtime: &Runtime, texts: &[Vec<u32>]) -> Result<Vec<Option<Vec<f32>>>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let embeddings = match ask(runtime, texts.to_vec()) {
        Ok(embeddings) => embeddings.into_iter().map(Some).collect(),
        Err(Error::Cancelled) => return Err(Error::Cancelled),
        // One text may be what the others failed with.
        Err(_) => texts
            .iter()
            .map(|text| match ask(runtime, vec![text.clone()]) {
                Ok(mut embeddings) => Ok(embeddings.pop()),
                Err(Error::Cancelled) => Err(Error::Cancelled),
                Err(error) => {
                    tracing::warn!(%error, model = runtime.name, "a recorded prompt cannot be embedded");
                    Ok(None)
                }
            })
            .collect::<Result<Vec<_>>>()?,
    };
    // Zeros in the store say that there is no vector.
    let is_direction = |values: &Vec<f32>| {
        values.iter().all(|value| value.is_finite()) && values.iter().any(|value| *value != 0.0)
    };
    let values = |embedding: Option<Embedding>| embedding.map(|embedding| embedding.values);
    Ok(embeddings.into_iter().map(|embedding| values(embedding).filter(is_direction)).collect())
}

/// Waits until the model has nothing else to do and has embedded the texts.
fn ask(runtime: &Runtime, texts: Vec<Vec<u32>>) -> Result<Vec<Embedding>> {
    let receiver = submit(runtime, &CallContext::background(), texts)?;
    receiver.blocking_recv().unwrap_or(Err(Error::Cancelled))
}
