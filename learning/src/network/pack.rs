//! Examples, and a batch of them without padding: the tokens of its sequences one after the other.

use crate::error::{Error, Result};

/// One training sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Prompt and completion, as the model reads them.
    pub tokens: Vec<u32>,
    /// The first token that counts in the loss; the tokens before it are only read.
    pub completion_start: usize,
}

impl Example {
    /// The number of tokens that count in the loss. The first token of a sequence has nothing before it and never counts.
    pub fn target_tokens(&self) -> usize {
        self.tokens.len().saturating_sub(self.completion_start.max(1))
    }
}

/// The sequences of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    /// Tokens of all sequences.
    pub(crate) tokens: Vec<u32>,
    /// Where each sequence begins, and the end of the last.
    pub(crate) starts: Vec<usize>,
    pub(crate) targets: Vec<Target>,
    /// What the loss of each target is multiplied by.
    pub(crate) weights: Vec<f32>,
}

/// A token that counts in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The row that must predict it.
    pub(crate) row: usize,
    pub(crate) token: u32,
}

impl Packed {
    /// Examples, each with the weight of its targets.
    pub(crate) fn from_examples<'a>(examples: impl IntoIterator<Item = (&'a Example, f32)>) -> Self {
        let mut packed = Self { starts: vec![0], ..Self::default() };
        for (example, weight) in examples {
            let begin = packed.tokens.len();
            let first = example.completion_start.max(1);
            let targets = example.tokens.iter().enumerate().skip(first);
            packed
                .targets
                .extend(targets.map(|(position, &token)| Target { row: begin + position - 1, token }));
            packed.push(&example.tokens);
            packed.weights.resize(packed.targets.len(), weight);
        }
        packed
    }

    pub(crate) fn from_sequences<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut packed = Self { starts: vec![0], ..Self::default() };
        sequences.into_iter().for_each(|tokens| packed.push(tokens));
        packed
    }

    fn push(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
        self.starts.push(self.tokens.len());
    }

    pub(crate) fn longest(&self) -> usize {
        longest(&self.starts)
    }
}

/// The length of the longest of the sequences that begin at `starts`, the last of which is the end of all.
pub(super) fn longest(starts: &[usize]) -> usize {
    starts.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0)
}

/// Splits sequences of these lengths into at most `shards` groups of about the same number of tokens; a group
/// keeps the order. The split depends on nothing but its arguments.
pub(crate) fn balance(lengths: &[usize], shards: usize) -> Vec<Vec<usize>> {
    let mut groups = vec![(0usize, Vec::new()); shards.min(lengths.len())];
    let mut longest_first: Vec<usize> = (0..lengths.len()).collect();
    longest_first.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
    for index in longest_first {
        let lightest = groups.iter_mut().min_by_key(|(tokens, _)| *tokens);
        if let Some((tokens, group)) = lightest {
            *tokens += lengths[index].max(1);
            group.push(index);
        }
    }
    let sorted = groups.into_iter().map(|(_, mut group)| {
        group.sort_unstable();
        group
    });
    sorted.collect()
}

/// Refuses token ids that a model of `vocab` tokens does not have.
pub fn check_tokens(tokens: &[u32], vocab: usize) -> Result<()> {
    match tokens.iter().find(|&&token| token as usize >= vocab) {
        Some(token) => {
            Err(Error::argument(format!("token {token} is not in the model's vocabulary of {vocab}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completion_tokens_are_targets_and_rows_never_cross_sequences() {
        let examples = [
            Example { tokens: vec![5, 6, 7, 8], completion_start: 2 },
            Example { tokens: vec![9, 4], completion_start: 0 },
        ];
        let packed = Packed::from_examples(examples.iter().zip([0.5, 0.25]));
        assert_eq!(packed.starts, [0, 4, 6]);
        let targets: Vec<_> = packed.targets.iter().map(|target| (target.row, target.token)).collect();
        assert_eq!(targets, [(1, 7), (2, 8), (4, 4)]);
        assert_eq!(packed.weights, [0.5, 0.5, 0.25]);
        assert_eq!(packed.longest(), 4);
    }

    #[test]
    fn shards_are_balanced_and_hold_every_sequence_once() {
        let lengths = [10, 90, 20, 30, 50, 40];
        let groups = balance(&lengths, 2);
        let sums: Vec<usize> = groups.iter().map(|group| group.iter().map(|&i| lengths[i]).sum()).collect();
        assert_eq!(sums, [120, 120]);
        let mut all: Vec<usize> = groups.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
        assert_eq!(balance(&lengths[..1], 4).len(), 1);
    }
}
