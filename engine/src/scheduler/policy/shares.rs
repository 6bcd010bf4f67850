//! How many tokens of which sequences are computed next.

use std::ops::Range;

use super::view::{Active, Group};

/// The next `count` tokens of the sequence at `index` of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

/// What one decode holds at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchSpace {
    pub(crate) tokens: usize,
    /// Tokens after which logits are computed.
    pub(crate) logits: usize,
}

/// The next token of every answer in progress.
pub(super) fn next_tokens(active: &[Active<'_>], group: Group<'_>) -> Vec<Share> {
    let has_next = |&index: &usize| active[index].pending == 1 && active[index].group == group;
    (0..active.len()).filter(has_next).map(|index| Share { index, count: 1 }).collect()
}

/// Prompts in the order of their admission, as many as the space holds.
pub(super) fn next_prompts(active: &[Active<'_>], group: Group<'_>, mut space: BatchSpace) -> Vec<Share> {
    let is_prompt = |&index: &usize| active[index].pending > 1 && active[index].group == group;
    let mut prompts: Vec<usize> = (0..active.len()).filter(is_prompt).collect();
    prompts.sort_by_key(|&index| active[index].admission_number);
    let mut shares = Vec::new();
    for index in prompts {
        let sequence = &active[index];
        let count = fitting(sequence, space);
        // llama.cpp computes a part of a prompt apart from the rest of the batch, so a prompt is cut only if no batch
        // holds all of it, and then it is alone.
        if count < sequence.pending && !shares.is_empty() {
            break;
        }
        space.tokens -= count;
        space.logits -= wanted(sequence, count).len();
        shares.push(Share { index, count });
    }
    // Rows of the batch stand in the order of slots, so that neighbours in the cache are neighbours in the batch.
    shares.sort_unstable_by_key(|share| share.index);
    shares
}

/// How many of a sequence's next tokens the space holds.
fn fitting(sequence: &Active<'_>, space: BatchSpace) -> usize {
    let count = sequence.pending.min(space.tokens);
    let wanted = wanted(sequence, count);
    if wanted.len() > space.logits { wanted.start + space.logits - sequence.cached } else { count }
}

/// The positions among a sequence's next `count` tokens after which logits are wanted.
fn wanted(sequence: &Active<'_>, count: usize) -> Range<usize> {
    let start = sequence.logits.start.max(sequence.cached);
    start..sequence.logits.end.min(sequence.cached + count)
}
