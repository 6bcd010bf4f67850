//! CRC-32C (Castagnoli), the checksum of everything that is stored.

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

use crate::integer::low_u32;

/// The checksum of some bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksum of parts that follow each other.
pub(crate) fn crc32c_parts(parts: &[&[u8]]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    for part in parts {
        digest.update(part);
    }
    low_u32(digest.finalize())
}

/// The checksum of bytes whose checksum is `first`, followed by `then`.
pub(crate) fn crc32c_append(first: u32, then: &[u8]) -> u32 {
    let then_crc = u64::from(crc32c(then));
    low_u32(checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(first), then_crc, then.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another implementation says, for every length around the widths of vectors.
    #[test]
    fn whole_or_in_parts_it_is_the_checksum_of_rfc_3720() {
        let bytes: Vec<u8> = (0..700u16).map(|n| n.to_le_bytes()[0].wrapping_mul(31)).collect();
        for len in 0..bytes.len() {
            let bytes = bytes.get(..len).unwrap_or_default();
            let expected = crc32c::crc32c(bytes);
            let (first, then) = bytes.split_at_checked(len / 3).unwrap_or_default();
            assert_eq!(crc32c(bytes), expected, "{len} bytes");
            assert_eq!(crc32c_parts(&[first, then]), expected, "{len} bytes in parts");
            assert_eq!(crc32c_append(crc32c(first), then), expected, "{len} bytes appended");
        }
    }
}
