//! Which stretch of the cache a new sequence gets.
//!
//! llama.cpp computes neighbouring sequences together and splits a batch where their numbers have a gap, so
//! sequences that decode in one group should be neighbours, and so should those that begin together.

use std::cmp::Reverse;
use std::ops::Range;

/// A free slot for a new sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: usize,
    /// Free slots that neighbour one another here, this one included.
    pub(super) room: usize,
    /// Whether it neighbours the place that was given just before.
    pub(super) continues: bool,
}

/// A place for a sequence of group `key`: beside `last`, which was given just before, else beside its group where it
/// has most room, else in the middle of the widest gap, where the group can grow.
pub(super) fn choose<K: PartialEq>(owners: &[Option<K>], key: &K, last: Option<usize>) -> Option<Place> {
    let is_kin = |slot: usize| owners.get(slot).is_some_and(|owner| owner.as_ref() == Some(key));
    let touches = |gap: &Gap| gap.start > 0 && is_kin(gap.start - 1) || is_kin(gap.end);
    let place = |gap: Gap| {
        let slot = match gap.start.checked_sub(1) {
            Some(before) if is_kin(before) => gap.start,
            _ if is_kin(gap.end) => gap.end - 1,
            None => 0,
            Some(_) => gap.start + gap.len() / 2,
        };
        Place {
            slot,
            room: gap.len(),
            continues: last.is_some_and(|last| is_kin(last) && last.abs_diff(slot) == 1),
        }
    };
    let gaps = gaps(owners);
    let next = gaps.iter().cloned().map(place).find(|place| place.continues);
    next.or_else(|| widest(gaps.iter().filter(|gap| touches(gap))).map(place))
        .or_else(|| widest(gaps.iter()).map(place))
}

type Gap = Range<usize>;

fn widest<'a>(gaps: impl Iterator<Item = &'a Gap>) -> Option<Gap> {
    gaps.min_by_key(|gap| (Reverse(gap.len()), gap.start)).cloned()
}

/// The stretches of free slots.
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
    use super::choose;

    fn fill(owners: &mut [Option<char>], keys: &str) -> Vec<usize> {
        let mut slots = Vec::new();
        for key in keys.chars() {
            let place = choose(owners, &key, slots.last().copied()).unwrap();
            owners[place.slot] = Some(key);
            slots.push(place.slot);
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
        assert_eq!(
            fill(&mut owners("........"), "abababab"),
            [0, 4, 1, 5, 2, 6, 3, 7]
        );
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
        let place = choose(&owners("aa.a...a..a"), &'a', None).unwrap();
        assert_eq!((place.room, place.continues), (3, false));
        let place = choose(&owners("aa.aa..a..a"), &'a', Some(4)).unwrap();
        assert_eq!((place.slot, place.room, place.continues), (5, 2, true));
    }
}
