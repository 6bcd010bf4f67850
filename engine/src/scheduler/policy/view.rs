//! The batch as plain data: all that the policy sees of it.

use std::ops::Range;

use super::cache_shape::CacheShape;

/// The adapters of a sequence, by content hash and scale; sequences with the same ones decode together.
pub(crate) type Group<'a> = &'a [(String, u32)];

/// A sequence that holds a slot of the cache.
#[derive(Debug, Clone)]
pub(crate) struct Active<'a> {
    pub(crate) slot: usize,
    /// The number of its admission, from 1.
    pub(crate) admission_number: u64,
    pub(crate) group: Group<'a>,
    /// How many of its tokens the cache holds.
    pub(crate) cached: usize,
    /// How many it does not hold yet: one of an answer in progress, more of a prompt.
    pub(crate) pending: usize,
    /// The most tokens that it will ever have.
    pub(crate) most_tokens: usize,
    /// The positions of the tokens after which logits are wanted.
    pub(crate) logits: Range<usize>,
}

/// The slots of the cache and who holds them.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// `None` while there is no cache.
    pub(crate) shape: Option<CacheShape>,
    /// In order of slot.
    pub(crate) active: Vec<Active<'a>>,
}

impl<'a> View<'a> {
    /// The group that each slot is at work for; `None` where the slot is free.
    pub(crate) fn owners(&self) -> Vec<Option<Group<'a>>> {
        let mut owners = vec![None; self.shape.map_or(0, |shape| shape.slots as usize)];
        for active in &self.active {
            owners[active.slot] = Some(active.group);
        }
        owners
    }

    /// The tokens of the longest among what is active and a request that may have `most_tokens`.
    pub(crate) fn longest(&self, most_tokens: usize) -> usize {
        self.active.iter().map(|active| active.most_tokens).fold(most_tokens, usize::max)
    }
}
