//! How many slots the key-value cache has, and how many tokens each holds.
//!
//! A slot is one sequence's own part of the cache, so attention never crosses into another's. The cache begins small,
//! and is made anew when a request does not fit; sequences in progress are then computed again from their tokens.

const SLOT_TOKENS_UNIT: u32 = 256;

/// What a cache may hold at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheLimits {
    pub(crate) max_sequences: u32,
    /// Tokens in all sequences together.
    pub(crate) total_tokens: u64,
    /// Tokens that one sequence may have.
    pub(crate) sequence_tokens: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheShape {
    pub(crate) slots: u32,
    /// Tokens that each slot holds.
    pub(crate) slot_tokens: u32,
}

impl CacheLimits {
    /// The shape for `count` requests of which the longest needs `longest` tokens.
    pub(crate) fn shape_for(&self, count: usize, longest: usize) -> CacheShape {
        let longest = (longest as u32).clamp(1, self.sequence_tokens);
        let slot_tokens = longest.div_ceil(SLOT_TOKENS_UNIT) * SLOT_TOKENS_UNIT;
        let affordable =
            (self.total_tokens / u64::from(slot_tokens)).clamp(1, u64::from(self.max_sequences)) as u32;
        let wanted = match count {
            0..=4 => 4,
            5..=16 => 16,
            _ => self.max_sequences,
        };
        CacheShape { slots: wanted.min(affordable), slot_tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::{CacheLimits, CacheShape};

    const LIMITS: CacheLimits =
        CacheLimits { max_sequences: 64, total_tokens: 16_384, sequence_tokens: 4096 };

    #[test]
    fn a_burst_of_short_requests_gets_many_short_slots() {
        assert_eq!(LIMITS.shape_for(256, 200), CacheShape { slots: 64, slot_tokens: 256 });
        assert_eq!(LIMITS.shape_for(1, 200), CacheShape { slots: 4, slot_tokens: 256 });
    }

    #[test]
    fn long_requests_share_the_budget_among_fewer() {
        assert_eq!(LIMITS.shape_for(256, 4000), CacheShape { slots: 4, slot_tokens: 4096 });
        assert_eq!(LIMITS.shape_for(256, 1_000_000), CacheShape { slots: 4, slot_tokens: 4096 });
    }

    #[test]
    fn there_is_always_one_slot() {
        let tight = CacheLimits { total_tokens: 100, ..LIMITS };
        assert_eq!(tight.shape_for(9, 300), CacheShape { slots: 1, slot_tokens: 512 });
    }
}
