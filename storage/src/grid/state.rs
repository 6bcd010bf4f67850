//! Committed states and the one pointer that readers follow.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::format::Ref;
use super::source::CommittedSource;

/// A committed state: everything that a reader needs.
#[derive(Debug)]
pub(crate) struct State {
    /// The commit's number.
    pub(crate) commit: u64,
    /// The main tree's root.
    pub(crate) root: Ref,
    /// What its objects are read through.
    pub(crate) source: CommittedSource,
}

/// A numbered thing that can be published.
pub(crate) trait Numbered {
    /// Rises with every publication.
    fn number(&self) -> u64;
}

impl Numbered for State {
    fn number(&self) -> u64 {
        self.commit
    }
}

/// The newest state. Readers load it without a lock.
#[derive(Debug)]
pub(crate) struct Current<T = State>(ArcSwap<T>);

/// The writer's record of states that may still be read.
#[derive(Debug, Default)]
pub(crate) struct Published<T = State> {
    living: VecDeque<Arc<T>>,
}

impl<T: Numbered> Current<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        Self(ArcSwap::new(first))
    }

    /// The newest state, kept alive by the returned pointer.
    pub(crate) fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces the newest state. When this returns, every reader of the old one has been counted in its `Arc`,
    /// and none can begin to read it.
    pub(crate) fn publish(&self, next: Arc<T>, published: &mut Published<T>) {
        published.living.push_back(Arc::clone(&next));
        drop(self.0.swap(next));
    }
}

impl<T: Numbered> Published<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        Self {
            living: VecDeque::from([first]),
        }
    }

    /// The number of the oldest state that anybody can read: the newest, or one that a snapshot holds.
    pub(crate) fn oldest_read(&mut self) -> u64 {
        // The queue's own pointer is the only one when no snapshot is left; only the last one is the current.
        while self.living.len() > 1
            && self
                .living
                .front()
                .is_some_and(|state| Arc::strong_count(state) == 1)
        {
            self.living.pop_front();
        }
        self.living.front().map_or(0, |state| state.number())
    }
}
