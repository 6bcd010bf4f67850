//! Operations on a store and on its model.

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub enum Op {
    Put { version: u8, matrix: u8, shape: u8, dtype: u8, density: u8, seed: u64 },
    PutEmpty { version: u8, matrix: u8, shape: u8, dtype: u8 },
    Remove { version: u8, matrix: u8 },
    Update { version: u8, matrix: u8, count: u16, seed: u64 },
    Publish { version: u8 },
    Branch { from: u8, to: u8 },
    Drop { version: u8 },
    Tag { version: u8, tag: u8 },
    PutMetadata { key: u8, len: u32, seed: u64 },
    RemoveMetadata { key: u8 },
    Perturb { version: u8, matrix: u8, seed: u64 },
    Recode { version: u8, how: u8 },
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6u8, 0..5u8, 0..9u8, 0..2u8, 0..6u8, any::<u64>())
            .prop_map(|(version, matrix, shape, dtype, density, seed)| Op::Put { version, matrix, shape, dtype, density, seed }),
        1 => (0..6u8, 0..5u8, 0..9u8, 0..2u8)
            .prop_map(|(version, matrix, shape, dtype)| Op::PutEmpty { version, matrix, shape, dtype }),
        1 => (0..6u8, 0..5u8).prop_map(|(version, matrix)| Op::Remove { version, matrix }),
        4 => (0..6u8, 0..5u8, 1..400u16, any::<u64>())
            .prop_map(|(version, matrix, count, seed)| Op::Update { version, matrix, count, seed }),
        1 => (0..6u8).prop_map(|version| Op::Publish { version }),
        3 => (0..6u8, 0..6u8).prop_map(|(from, to)| Op::Branch { from, to }),
        2 => (0..6u8).prop_map(|version| Op::Drop { version }),
        1 => (0..6u8, 0..3u8).prop_map(|(version, tag)| Op::Tag { version, tag }),
        2 => (0..8u8, prop_oneof![0..600u32, 600..700_000u32], any::<u64>())
            .prop_map(|(key, len, seed)| Op::PutMetadata { key, len, seed }),
        1 => (0..8u8).prop_map(|key| Op::RemoveMetadata { key }),
        4 => (0..6u8, 0..5u8, any::<u64>()).prop_map(|(version, matrix, seed)| Op::Perturb { version, matrix, seed }),
        2 => (0..6u8, 0..3u8).prop_map(|(version, how)| Op::Recode { version, how }),
    ]
}
