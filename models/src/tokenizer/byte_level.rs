//! The alphabet of byte-level vocabularies.

use std::sync::LazyLock;

/// GPT-2's spelling of bytes: printable ones stand for themselves, the others follow from U+0100.
static BYTES: LazyLock<[Option<u8>; 324]> = LazyLock::new(|| {
    let mut bytes = [None; 324];
    let mut next = 256;
    for byte in 0..=255u8 {
        if matches!(byte, 33..=126 | 161..=172 | 174..=255) {
            bytes[byte as usize] = Some(byte);
        } else {
            bytes[next] = Some(byte);
            next += 1;
        }
    }
    bytes
});

/// The byte that a character of a token stands for.
pub(super) fn byte_of(spelling: char) -> Option<u8> {
    BYTES.get(spelling as usize).copied().flatten()
}
