//! Whatever a part holds is read as it was written, and whatever byte of it changes is reported.

use hyprstream_storage::{Error, PART_BLOCK_BYTES, PartDirectory, PartRecord};
use proptest::prelude::*;

use super::write_part;
use crate::support::{blob, count};

fn config() -> ProptestConfig {
    ProptestConfig { cases: count("PROPTEST_CASES", 64) as u32, ..ProptestConfig::default() }
}

/// Lengths around the ends of blocks, and any others.
fn lengths() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..300u32,
        (1..4u32, 0..5u32).prop_map(|(blocks, more)| blocks * (PART_BLOCK_BYTES as u32) + more - 2),
        0..300_000u32,
    ]
}

/// A range of a file of so many bytes, which two numbers choose.
fn range(len: u64, (one, other): (u64, u64)) -> std::ops::Range<u64> {
    let (one, other) = (one % (len + 1), other % (len + 1));
    one.min(other)..one.max(other)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_range_reads_as_the_bytes_that_were_written(
        len in lengths(),
        seed in any::<u64>(),
        ranges in prop::collection::vec(any::<(u64, u64)>(), 1..8),
    ) {
        let data = tempfile::tempdir().unwrap();
        let parts = PartDirectory::open(data.path(), "parquet").unwrap();
        let content = blob(len, seed);
        let record = write_part(&parts, &content);
        prop_assert_eq!(record.bytes, u64::from(len));
        prop_assert_eq!(&std::fs::read(data.path().join(&record.name)).unwrap(), &content);
        let blocks: Vec<u32> = content.chunks(PART_BLOCK_BYTES as usize).map(crc32c::crc32c).collect();
        prop_assert_eq!(&record.blocks, &blocks);
        let reader = parts.reader(&record).unwrap();
        reader.verify().unwrap();
        for wanted in ranges {
            let range = range(record.bytes, wanted);
            let expected = &content[range.start as usize..range.end as usize];
            prop_assert_eq!(reader.read(range).unwrap(), expected);
        }
    }

    #[test]
    fn a_changed_byte_is_reported_wherever_its_block_is_read_and_nowhere_else(
        len in lengths().prop_filter("a byte to change", |len| *len > 0),
        seed in any::<u64>(),
        at in any::<u64>(),
        flip in 1..=255u8,
        ranges in prop::collection::vec(any::<(u64, u64)>(), 1..8),
    ) {
        let data = tempfile::tempdir().unwrap();
        let parts = PartDirectory::open(data.path(), "parquet").unwrap();
        let content = blob(len, seed);
        let record = write_part(&parts, &content);
        prop_assert_eq!(parts.proves_itself(&record.name).unwrap(), Some(true));
        let at = at % record.bytes;
        let mut damaged = content.clone();
        damaged[at as usize] ^= flip;
        std::fs::write(data.path().join(&record.name), &damaged).unwrap();

        prop_assert_eq!(parts.proves_itself(&record.name).unwrap(), Some(false));
        let reader = parts.reader(&record).unwrap();
        let block = at / PART_BLOCK_BYTES * PART_BLOCK_BYTES;
        let is_reported = |error: Error| {
            matches!(error, Error::Corrupt { path, offset, .. }
                if offset == block && path.0 == data.path().join(&record.name))
        };
        prop_assert!(is_reported(reader.verify().unwrap_err()));
        prop_assert!(is_reported(reader.read(at..at + 1).unwrap_err()));
        for wanted in ranges {
            let range = range(record.bytes, wanted);
            let touches = range.start < block + PART_BLOCK_BYTES && block < range.end && !range.is_empty();
            match reader.read(range.clone()) {
                Ok(bytes) => {
                    prop_assert!(!touches);
                    prop_assert_eq!(bytes, &content[range.start as usize..range.end as usize]);
                }
                Err(error) => prop_assert!(touches && is_reported(error)),
            }
        }
    }

    #[test]
    fn a_record_decodes_to_what_was_encoded_and_to_nothing_else(
        name in "[a-z0-9-]{1,60}\\.parquet",
        bytes in 0..2_000_000u64,
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
        short in any::<prop::sample::Index>(),
    ) {
        let blocks = blob(bytes.div_ceil(PART_BLOCK_BYTES) as u32 * 4, seed);
        let blocks = blocks.chunks_exact(4).map(|block| u32::from_le_bytes(block.try_into().unwrap())).collect();
        let record = PartRecord { name, bytes, blocks };
        let encoded = record.encode();
        prop_assert_eq!(&PartRecord::decode(&encoded).unwrap(), &record);
        let mut damaged = encoded.clone();
        damaged[at.index(encoded.len())] ^= flip;
        prop_assert!(PartRecord::decode(&damaged).is_err());
        prop_assert!(PartRecord::decode(&encoded[..short.index(encoded.len())]).is_err());
        prop_assert!(PartRecord::decode(&[encoded.as_slice(), b"\0"].concat()).is_err());
    }

    #[test]
    fn no_bytes_make_the_decoding_of_a_record_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        // Behind a right checksum, so that the rest of it is reached.
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        if let Ok(record) = PartRecord::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }
}
