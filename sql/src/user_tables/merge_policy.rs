//! Which parts of a table are written anew as one.
//!
//! Only parts that lie beside one another are merged, so that the rows keep their order. A run of them is worth it when
//! it has at least [`GROWTH`] times the rows of its largest part. So each time that a row is written anew it ends in a
//! part with [`GROWTH`] times the rows of the one before, which happens no more often than the logarithm of the table's
//! rows; and rows that are inserted one by one end in about as many parts as that.

use std::ops::Range;

/// How much larger than each of its parts a merged part is.
const GROWTH: u64 = 8;

/// A run ends after so many parts, if it has grown enough by then. A merged part names those that it was made of.
const MOST_PARTS: usize = 64;

/// A part of this length is left as it is.
const FULL_BYTES: u64 = 64 << 20;

/// What the policy sees of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartSize {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// A damaged part cannot be merged.
    pub(super) is_readable: bool,
}

impl PartSize {
    fn is_mergeable(&self) -> bool {
        self.is_readable && self.bytes < FULL_BYTES
    }
}

/// The next parts to merge while the table is used: those that cost least. `None` when there is nothing to gain.
pub(super) fn next_merge(parts: &[PartSize]) -> Option<Range<usize>> {
    if (parts.len() as u64) < GROWTH {
        return None;
    }
    let largest = parts.iter().filter(|part| part.is_mergeable()).map(|part| part.rows).max()?;
    let limits = std::iter::successors(Some(1u64), |limit| limit.checked_mul(2));
    // The limit above the largest part is the last that lets a run be longer.
    limits.take_while(|limit| limit / 2 < largest.max(1)).find_map(|limit| run_within(parts, limit))
}

/// The first run of parts with no more than `limit` rows each that grows enough.
fn run_within(parts: &[PartSize], limit: u64) -> Option<Range<usize>> {
    let enough = limit.saturating_mul(GROWTH);
    let mut begin = 0;
    let (mut rows, mut bytes) = (0u64, 0u64);
    for (end, part) in parts.iter().enumerate() {
        if !part.is_mergeable() || part.rows > limit {
            if rows >= enough {
                return Some(begin..end);
            }
            (begin, rows, bytes) = (end + 1, 0, 0);
            continue;
        }
        rows += part.rows;
        bytes += part.bytes;
        let is_long = end + 1 - begin >= MOST_PARTS || bytes >= FULL_BYTES;
        if rows >= enough && is_long {
            return Some(begin..end + 1);
        }
    }
    (rows >= enough).then_some(begin..parts.len())
}

/// All runs to merge when the table is compacted, so that it has as few parts as may be. They do not overlap and are in
/// the order of their rows.
pub(super) fn all_merges(parts: &[PartSize]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let (mut begin, mut bytes) = (0, 0u64);
    for (position, part) in parts.iter().enumerate() {
        if !part.is_mergeable() {
            runs.push(begin..position);
            (begin, bytes) = (position + 1, 0);
        } else if bytes + part.bytes > FULL_BYTES {
            runs.push(begin..position);
            (begin, bytes) = (position, part.bytes);
        } else {
            bytes += part.bytes;
        }
    }
    runs.push(begin..parts.len());
    runs.retain(|run| run.len() > 1);
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A part whose rows are these numbers; each row remembers how often it was written anew.
    #[derive(Debug, Clone, Default)]
    struct Rows(Vec<(u64, u32)>);

    impl Rows {
        fn size(&self) -> PartSize {
            let rows = self.0.len() as u64;
            PartSize { rows, bytes: 1000 + rows, is_readable: true }
        }
    }

    fn merge(parts: &mut Vec<Rows>, run: Range<usize>) {
        let rows = parts[run.clone()].iter().flat_map(|part| &part.0);
        let merged = Rows(rows.map(|(row, writes)| (*row, writes + 1)).collect());
        parts.splice(run, [merged]);
    }

    fn settle(parts: &mut Vec<Rows>) {
        while let Some(run) = next_merge(&sizes(parts)) {
            assert!(run.len() > 1, "{run:?}");
            merge(parts, run);
        }
    }

    fn sizes(parts: &[Rows]) -> Vec<PartSize> {
        parts.iter().map(Rows::size).collect()
    }

    /// Every row once and in order; how often each was written is bounded by the logarithm of how many there are.
    fn expect_kept(parts: &[Rows], rows: u64) {
        let kept: Vec<u64> = parts.iter().flat_map(|part| part.0.iter().map(|(row, _)| *row)).collect();
        assert_eq!(kept, (0..rows).collect::<Vec<_>>());
        let most = parts.iter().flat_map(|part| part.0.iter().map(|(_, writes)| *writes)).max().unwrap_or(0);
        assert!(most <= rows.max(1).ilog(GROWTH) + 1, "{most} writes of a row of {rows}");
    }

    fn numbered(counts: &[u64]) -> Vec<Rows> {
        let mut next = 0;
        let part = |count: &u64| {
            let rows = (next..next + count).map(|row| (row, 0)).collect();
            next += count;
            Rows(rows)
        };
        counts.iter().map(part).collect()
    }

    #[test]
    fn rows_inserted_one_by_one_end_in_few_parts() {
        let mut parts = Vec::new();
        for row in 0..20_000 {
            parts.push(Rows(vec![(row, 0)]));
            settle(&mut parts);
        }
        expect_kept(&parts, 20_000);
        assert!(parts.len() <= 35, "{} parts", parts.len());
    }

    #[test]
    fn a_large_part_is_not_written_anew_for_a_few_rows() {
        let parts = numbered(&[1000, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(next_merge(&sizes(&parts)), None);
        let parts = numbered(&[1000, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(next_merge(&sizes(&parts)), Some(1..9));
    }

    #[test]
    fn a_run_goes_around_a_damaged_part() {
        let mut sizes = sizes(&numbered(&[1; 20]));
        sizes[9].is_readable = false;
        assert_eq!(next_merge(&sizes), Some(0..9));
        assert_eq!(all_merges(&sizes), [0..9, 10..20]);
    }

    #[test]
    fn a_full_part_stays_as_it_is() {
        let full = PartSize { rows: 5, bytes: FULL_BYTES, is_readable: true };
        let half = PartSize { bytes: FULL_BYTES / 2, ..full };
        assert_eq!(next_merge(&[full; 20]), None);
        let runs = all_merges(&[full, full, half, half, half, full, half, half]);
        assert_eq!(runs, [2..4, 6..8]);
    }

    proptest! {
        #[test]
        fn merging_keeps_every_row_once_in_order_and_writes_it_seldom(
            counts in prop::collection::vec(prop_oneof![4 => 1u64..4, 2 => 1u64..60, 1 => 1u64..900], 0..200),
            settle_every in 1usize..40,
        ) {
            let all = numbered(&counts);
            let mut parts = Vec::new();
            for (number, part) in all.into_iter().enumerate() {
                parts.push(part);
                if number % settle_every == 0 {
                    settle(&mut parts);
                }
            }
            settle(&mut parts);
            expect_kept(&parts, counts.iter().sum());
        }

        #[test]
        fn compacting_leaves_parts_that_could_not_be_merged_further(
            bytes in prop::collection::vec(prop_oneof![1u64..1000, FULL_BYTES / 3..FULL_BYTES * 2], 0..60),
        ) {
            let sizes: Vec<PartSize> =
                bytes.iter().map(|bytes| PartSize { rows: 1, bytes: *bytes, is_readable: true }).collect();
            let runs = all_merges(&sizes);
            for pair in runs.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for run in runs {
                let merged: u64 = sizes[run.clone()].iter().map(|size| size.bytes).sum();
                prop_assert!(run.len() > 1 && merged <= FULL_BYTES);
                let next = sizes.get(run.end).filter(|next| next.is_mergeable());
                prop_assert!(next.is_none_or(|next| merged + next.bytes > FULL_BYTES));
            }
        }
    }
}
