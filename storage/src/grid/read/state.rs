//! Committed states and the one pointer that readers follow.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::grid::format::reference::Ref;
use crate::grid::objects::source::CommittedSource;

/// A committed state: everything that a reader needs.
#[derive(Debug)]
pub(crate) struct State {
    /// The commit's number.
    pub(crate) commit: u64,
    /// The main tree's root.
    pub(crate) root: Ref,
    /// The next version's sequence number.
    pub(crate) next_sequence: u64,
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
        Self { living: VecDeque::from([first]) }
    }

    /// The number of the oldest state that can be read: the newest, or one that a snapshot holds.
    pub(crate) fn oldest_read(&mut self) -> u64 {
        // The last state is current. Of an older one without snapshots the queue has the only pointer.
        while self.living.len() > 1 && self.living.front().is_some_and(|state| Arc::strong_count(state) == 1)
        {
            self.living.pop_front();
        }
        self.living.front().map_or(0, |state| state.number())
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what panics here is a finding")]
mod tests {
    use shuttle::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const COMMITS: usize = 5;

    struct Page(u64);

    impl Numbered for Page {
        fn number(&self) -> u64 {
            self.0
        }
    }

    /// The writer replaces one page a commit and wipes the old one as soon as nobody can read it; readers look at
    /// the page of the state they loaded, again and again.
    fn pages_are_wiped_under_nobody() {
        let wiped: Arc<Vec<AtomicBool>> = Arc::new((0..=COMMITS).map(|_| AtomicBool::new(false)).collect());
        let first = Arc::new(Page(0));
        let mut published = Published::new(Arc::clone(&first));
        let current = Arc::new(Current::new(first));
        let reader = || {
            let (current, wiped) = (Arc::clone(&current), Arc::clone(&wiped));
            shuttle::thread::spawn(move || {
                let mut newest = 0;
                for _ in 0..3 {
                    let state = current.load();
                    assert!(state.number() >= newest, "a reader went back in time");
                    newest = state.number();
                    for _ in 0..2 {
                        let page = &wiped[usize::try_from(newest).unwrap()];
                        assert!(!page.load(Ordering::SeqCst), "page {newest} was wiped under its reader");
                    }
                }
            })
        };
        let readers = [reader(), reader()];
        let mut next_to_wipe = 0;
        for commit in 1..=COMMITS {
            current.publish(Arc::new(Page(commit as u64)), &mut published);
            let oldest = usize::try_from(published.oldest_read()).unwrap();
            while next_to_wipe < oldest {
                wiped[next_to_wipe].store(true, Ordering::SeqCst);
                next_to_wipe += 1;
            }
        }
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(published.oldest_read(), COMMITS as u64, "what nobody reads is let go");
    }

    #[test]
    fn no_page_is_wiped_while_a_reader_looks_at_it() {
        shuttle::check_random(pages_are_wiped_under_nobody, 2000);
        shuttle::check_pct(pages_are_wiped_under_nobody, 2000, 3);
    }
}
