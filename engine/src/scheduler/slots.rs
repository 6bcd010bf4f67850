//! Which stretch of the cache a new sequence gets.
//!
//! llama.cpp computes neighbouring sequences together and splits a batch where their numbers have a gap, so
//! sequences that decode in one group should be neighbours.

/// A free slot for a sequence of group `key`: beside its group, else in the middle of the widest gap, where the
/// group can grow.
pub(super) fn choose<K: PartialEq>(owners: &[Option<K>], key: &K) -> Option<usize> {
    let is_free = |slot: usize| owners[slot].is_none();
    let is_kin = |slot: Option<usize>| {
        slot.and_then(|slot| owners.get(slot))
            .is_some_and(|owner| owner.as_ref() == Some(key))
    };
    let free = || (0..owners.len()).filter(|&slot| is_free(slot));
    free()
        .find(|&slot| is_kin(slot.checked_sub(1)))
        .or_else(|| free().find(|&slot| is_kin(Some(slot + 1))))
        .or_else(|| widest_gap(owners))
}

fn widest_gap<K>(owners: &[Option<K>]) -> Option<usize> {
    let mut best = 0..0;
    let mut start = 0;
    for slot in 0..=owners.len() {
        if owners.get(slot).is_none_or(Option::is_some) {
            if slot - start > best.len() {
                best = start..slot;
            }
            start = slot + 1;
        }
    }
    if best.is_empty() {
        return None;
    }
    Some(if best.start == 0 {
        0
    } else {
        best.start + best.len() / 2
    })
}

#[cfg(test)]
mod tests {
    use super::choose;

    fn fill(owners: &mut [Option<char>], keys: &str) -> Vec<usize> {
        let mut slots = Vec::new();
        for key in keys.chars() {
            let slot = choose(owners, &key).unwrap();
            owners[slot] = Some(key);
            slots.push(slot);
        }
        slots
    }

    #[test]
    fn one_group_is_a_row_of_neighbours() {
        assert_eq!(fill(&mut [None; 6], "aaaa"), [0, 1, 2, 3]);
    }

    #[test]
    fn groups_that_arrive_interleaved_still_have_neighbours() {
        assert_eq!(fill(&mut [None; 8], "abababab"), [0, 4, 1, 5, 2, 6, 3, 7]);
    }

    #[test]
    fn a_gap_inside_a_group_is_filled_first() {
        let mut owners = [Some('a'), None, Some('a'), None, None, Some('b')];
        assert_eq!(choose(&owners, &'a'), Some(1));
        owners[1] = Some('a');
        assert_eq!(choose(&owners, &'b'), Some(4));
        assert_eq!(choose(&[Some('a'), Some('b')], &'a'), None);
    }
}
