//! Who is next: every decision of the decode thread about order, as a function of plain data.
//!
//! [`Policy`] says which request is admitted and to which slot, which sequence moves, which group decodes when, and
//! whose tokens it computes; [`next_work`] says when there is time for background work. The decode thread does as they
//! say. Nothing here knows the runtime, channels or jobs.
//!
//! Where a further rule would go:
//! - classes of priority: a ring of turns for each class in `fair_queue`, and the class before the admission in `shares`;
//! - requests with a common prefix side by side: in [`Policy::admit`], which looks at the queue's head only;
//! - how many steps a group may run before its adapters are switched: in `groups`, beside the order.

pub(super) mod cache_shape;
mod fair_queue;
mod groups;
pub(super) mod next_work;
pub(super) mod shares;
mod slots;
#[cfg(test)]
mod tests;
pub(super) mod view;

use crate::call::ClientId;
use cache_shape::{CacheLimits, CacheShape};
use fair_queue::FairQueue;
use shares::{BatchSpace, Share};
use slots::Move;
use view::{Group, View};

/// What the policy asks a request that waits for a slot.
pub(super) trait Request {
    /// Requests of different clients are admitted in turn.
    fn client(&self) -> ClientId;

    /// The adapters that it is computed with.
    fn group(&self) -> Group<'_>;

    /// The most tokens that it will ever have, if a sequence may have `limit`.
    fn most_tokens(&self, limit: usize) -> usize;
}

/// What the machine and the model allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) cache: CacheLimits,
    /// What one decode holds at most.
    pub(crate) batch: BatchSpace,
    /// A sequence with more tokens in the cache is not worth moving.
    pub(crate) movable_tokens: usize,
}

/// What is done for the request that is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It gets this slot.
    Slot(usize),
    /// The cache is made anew in this shape, and then the policy is asked again.
    Reshape(CacheShape),
}

/// The requests that wait, and the rules by which they and the sequences in the batch take turns.
#[derive(Debug)]
pub(super) struct Policy<R> {
    limits: Limits,
    waiting: FairQueue<R>,
    admitted: u64,
}

#[expect(
    clippy::unused_self,
    reason = "every decision is asked of the policy, whether it needs its state or not"
)]
impl<R: Request> Policy<R> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, waiting: FairQueue::default(), admitted: 0 }
    }

    pub(super) fn enqueue(&mut self, request: R) {
        self.waiting.push(request.client(), request);
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Removes the waiting requests that are `unwanted` and returns them.
    pub(super) fn remove_if(&mut self, unwanted: impl FnMut(&R) -> bool) -> Vec<R> {
        self.waiting.remove_if(unwanted)
    }

    /// What is done for the request that is next; `None` when there is none or when it has to wait longer. `last` is the
    /// slot that was given just before, so that a burst gets neighbouring slots.
    pub(super) fn admit(&self, view: &View<'_>, last: Option<usize>) -> Option<Admission> {
        let next = self.waiting.peek()?;
        let most_tokens = next.most_tokens(self.limits.cache.sequence_tokens as usize);
        if view.shape.is_some_and(|shape| most_tokens <= shape.slot_tokens as usize)
            && let Some(slot) = slots::choose(&view.owners(), &next.group(), last)
        {
            return Some(Admission::Slot(slot));
        }
        self.better_shape(view, most_tokens).map(Admission::Reshape)
    }

    /// Takes the request that is next from the queue, with the number of its admission.
    pub(super) fn take_next(&mut self) -> Option<(R, u64)> {
        let request = self.waiting.pop()?;
        self.admitted += 1;
        Some((request, self.admitted))
    }

    /// A shape with room for what is active and for a request of `most_tokens`, if the cache does not have it now.
    fn better_shape(&self, view: &View<'_>, most_tokens: usize) -> Option<CacheShape> {
        let count = view.active.len() + self.waiting.len();
        let shape = self.limits.cache.shape_for(count, view.longest(most_tokens));
        let is_better = view.shape.is_none_or(|now| {
            let is_too_short = most_tokens > now.slot_tokens as usize;
            is_too_short && shape.slot_tokens > now.slot_tokens || shape.slots > now.slots
        });
        (is_better && shape.slots as usize > view.active.len()).then_some(shape)
    }

    /// The shape for what is active alone.
    pub(super) fn shape_for_active(&self, view: &View<'_>) -> CacheShape {
        self.limits.cache.shape_for(view.active.len(), view.longest(1))
    }

    /// The shape of a cache that nothing uses.
    pub(super) fn smallest_shape(&self) -> CacheShape {
        self.limits.cache.shape_for(1, 1)
    }

    /// The slot of each active sequence in a cache that is made anew: groups side by side, from the first slot on.
    pub(super) fn slots_in_new_cache(&self, view: &View<'_>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..view.active.len()).collect();
        order.sort_by_key(|&index| view.active[index].group);
        let mut slots = vec![0; order.len()];
        for (slot, index) in order.into_iter().enumerate() {
            slots[index] = slot;
        }
        slots
    }

    /// The sequence that moves next to close a gap in its group, if one does.
    pub(super) fn closing_move(&self, view: &View<'_>) -> Option<Move> {
        slots::closing_move(&view.owners(), |slot| {
            view.active
                .iter()
                .any(|active| active.slot == slot && active.cached <= self.limits.movable_tokens)
        })
    }

    /// The first sequence of each group, by its index, in the order in which the groups decode. `loaded` are the
    /// adapters that the cache's context has now.
    pub(super) fn groups(&self, view: &View<'_>, loaded: Group<'_>) -> Vec<usize> {
        groups::decode_order(&view.active, loaded)
    }

    /// What a group computes first: the next token of every answer in progress.
    pub(super) fn next_tokens(&self, view: &View<'_>, group: Group<'_>) -> Vec<Share> {
        shares::next_tokens(&view.active, group)
    }

    /// What a group computes then: prompts in the order of admission, whole ones as far as a batch holds them.
    pub(super) fn next_prompts(&self, view: &View<'_>, group: Group<'_>) -> Vec<Share> {
        shares::next_prompts(&view.active, group, self.limits.batch)
    }
}
