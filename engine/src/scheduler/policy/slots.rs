//! Which slot of the cache a sequence gets, and when it moves to another.
//!
//! llama.cpp computes sequences in neighbouring slots together, and reads the weights once more for each gap between them.
//! So the sequences of a group should be neighbours, and so should those that are admitted together.

use std::cmp::Reverse;
use std::ops::Range;

/// A sequence changes its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// A free slot for a sequence of `group`. `owners` names the group at work in each slot, and `last` is the slot that was
/// given just before.
pub(super) fn choose<K: PartialEq>(owners: &[Option<K>], group: &K, last: Option<usize>) -> Option<usize> {
    let is_member = |slot: usize| owners.get(slot).is_some_and(|owner| owner.as_ref() == Some(group));
    let touches = |gap: &Gap| gap.start > 0 && is_member(gap.start - 1) || is_member(gap.end);
    let slot_in = |gap: Gap| match gap.start.checked_sub(1) {
        Some(before) if is_member(before) => gap.start,
        _ if is_member(gap.end) => gap.end - 1,
        None => 0,
        // In the middle, so that this group and its neighbour can both grow.
        Some(_) => gap.start + gap.len() / 2,
    };
    let gaps = gaps(owners);
    let is_beside_last = |slot: &usize| last.is_some_and(|last| is_member(last) && last.abs_diff(*slot) == 1);
    let beside_last = gaps.iter().cloned().map(slot_in).find(is_beside_last);
    beside_last
        .or_else(|| widest(gaps.iter().filter(|gap| touches(gap))).map(slot_in))
        .or_else(|| widest(gaps.iter()).map(slot_in))
}

/// The move that closes a gap inside a group: the group's last sequence that `is_movable` goes to the gap's first slot.
/// `None` when no group has a gap that can be closed.
pub(super) fn closing_move<K: PartialEq>(
    owners: &[Option<K>],
    is_movable: impl Fn(usize) -> bool,
) -> Option<Move> {
    gaps(owners).into_iter().find_map(|gap| {
        let has_member_before =
            |slot: &usize| owners[*slot].is_some() && owners[..gap.start].contains(&owners[*slot]);
        let from = (gap.end..owners.len()).rev().find(|slot| has_member_before(slot) && is_movable(*slot))?;
        Some(Move { from, to: gap.start })
    })
}

type Gap = Range<usize>;

fn widest<'a>(gaps: impl Iterator<Item = &'a Gap>) -> Option<Gap> {
    gaps.min_by_key(|gap| (Reverse(gap.len()), gap.start)).cloned()
}

/// The runs of free slots.
fn gaps<K>(owners: &[Option<K>]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut start = 0;
    for slot in 0..=owners.len() {
        if owners.get(slot).is_none_or(Option::is_some) {
            if slot > start {
                gaps.push(start..slot);
            }
            start = slot + 1;
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::{Move, choose, closing_move};

    fn fill(owners: &mut [Option<char>], keys: &str) -> Vec<usize> {
        let mut slots = Vec::new();
        for key in keys.chars() {
            let slot = choose(owners, &key, slots.last().copied()).unwrap();
            owners[slot] = Some(key);
            slots.push(slot);
        }
        slots
    }

    fn owners(text: &str) -> Vec<Option<char>> {
        text.chars().map(|key| (key != '.').then_some(key)).collect()
    }

    #[test]
    fn one_group_is_a_row_of_neighbours() {
        assert_eq!(fill(&mut owners("......"), "aaaa"), [0, 1, 2, 3]);
    }

    #[test]
    fn groups_that_arrive_interleaved_still_have_neighbours() {
        assert_eq!(fill(&mut owners("........"), "abababab"), [0, 4, 1, 5, 2, 6, 3, 7]);
    }

    #[test]
    fn a_gap_beside_its_group_is_filled_before_others() {
        let mut owners = owners("a.a..b");
        assert_eq!(fill(&mut owners, "aab"), [3, 4, 1]);
        assert_eq!(choose(&owners, &'a', None), None);
    }

    #[test]
    fn those_that_arrive_together_are_neighbours_wherever_most_have_room() {
        assert_eq!(fill(&mut owners("aa.a...a..a"), "aaaaa"), [4, 5, 6, 8, 9]);
        assert_eq!(fill(&mut owners("....a.a"), "aaaa"), [3, 2, 1, 0]);
        assert_eq!(choose(&owners("aa.aa..a..a"), &'a', Some(4)), Some(5));
    }

    fn closed(text: &str, is_movable: impl Fn(usize) -> bool) -> (String, usize) {
        let mut owners = owners(text);
        let mut moves = 0;
        while let Some(Move { from, to }) = closing_move(&owners, &is_movable) {
            assert!(owners[to].is_none() && to < from);
            owners[to] = owners[from].take();
            moves += 1;
        }
        (owners.iter().map(|owner| owner.unwrap_or('.')).collect(), moves)
    }

    #[test]
    fn the_last_of_a_group_close_its_gaps() {
        assert_eq!(closed("a.aa..aa", |_| true), ("aaaaa...".to_owned(), 2));
        assert_eq!(closed("..aaa..", |_| true), ("..aaa..".to_owned(), 0));
        assert_eq!(closed("aa.a..b.bb", |_| true), ("aaa...bbb.".to_owned(), 2));
        assert_eq!(closed("ab.ab", |_| true), ("abba.".to_owned(), 1));
    }

    #[test]
    fn what_is_too_long_to_move_stays() {
        assert_eq!(closed("a.aaa", |slot| slot != 4), ("aaa.a".to_owned(), 1));
        assert_eq!(closed("a.aaa", |_| false), ("a.aaa".to_owned(), 0));
    }
}
