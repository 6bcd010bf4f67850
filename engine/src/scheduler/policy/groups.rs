//! In which order the groups of a batch decode.

use super::view::{Active, Group};

/// The first sequence of each group, by its index, in the order in which the groups decode.
pub(super) fn decode_order(active: &[Active<'_>], loaded: Group<'_>) -> Vec<usize> {
    let mut first: Vec<usize> = Vec::new();
    for (index, sequence) in active.iter().enumerate() {
        if first.iter().all(|&other| active[other].group != sequence.group) {
            first.push(index);
        }
    }
    // The group whose adapters are loaded goes first, which saves a switch.
    first.sort_by_key(|&index| active[index].group != loaded);
    first
}
