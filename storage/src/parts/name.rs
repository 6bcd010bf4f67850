//! Names of parts: they sort by age, and each carries the hash of what it names.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// The extension of a file that is being written.
const DRAFT: &str = "draft";

/// How many digits of the content's hash a name has.
const HASH_DIGITS: usize = 32;

/// When a part was begun: no two of a directory are the same, and a later one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    /// In milliseconds since 1970; at least that of the part before, where a clock was set back.
    time: u64,
    number: u32,
}

impl Age {
    /// What the name of a part or a draft says.
    pub(super) fn of(name: &str, extension: &str) -> Option<Self> {
        let (front, _) = name.split_once('.')?;
        if !is_draft(name) {
            hash_in(name, extension)?;
        }
        let mut pieces = front.split('-');
        let (time, number) = (pieces.next()?, pieces.next()?);
        if time.len() != 12 || number.len() != 8 {
            return None;
        }
        let number = u32::from_str_radix(number, 16).ok()?;
        Some(Self { time: u64::from_str_radix(time, 16).ok()?, number })
    }

    /// That of a part which is begun now, after `self`.
    pub(super) fn next(self) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or_default();
        if now > self.time {
            return Self { time: now, number: 0 };
        }
        self.number
            .checked_add(1)
            .map_or(Self { time: self.time + 1, number: 0 }, |number| Self { time: self.time, number })
    }

    pub(super) fn draft_name(self) -> String {
        format!("{:012x}-{:08x}.{DRAFT}", self.time, self.number)
    }

    pub(super) fn part_name(self, hash: u128, extension: &str) -> String {
        format!("{:012x}-{:08x}-{hash:032x}.{extension}", self.time, self.number)
    }
}

/// The part of a SHA-256 hash that names carry: its first 16 bytes.
pub(super) fn hash_of(sha256: [u8; 32]) -> u128 {
    sha256.iter().take(HASH_DIGITS / 2).fold(0, |hash, byte| (hash << 8) | u128::from(*byte))
}

/// The hash that a part's name carries; none when the name is not one that [`Age::part_name`] makes.
pub(super) fn hash_in(name: &str, extension: &str) -> Option<u128> {
    let front = name.strip_suffix(extension)?.strip_suffix('.')?;
    let pieces: Vec<&str> = front.split('-').collect();
    let [time, number, hash] = pieces.as_slice() else { return None };
    let is_hex =
        |piece: &str| !piece.is_empty() && piece.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hash.len() != HASH_DIGITS || ![time, number, hash].into_iter().all(|piece| is_hex(piece)) {
        return None;
    }
    u128::from_str_radix(hash, 16).ok()
}

/// Whether it is the name of a file that is being written, or that a process left behind when it ended.
pub(super) fn is_draft(name: &str) -> bool {
    name.strip_suffix(DRAFT).is_some_and(|front| front.ends_with('.'))
}

/// Refuses what is not the name of a file in the directory itself.
pub(super) fn check_plain(name: &str) -> Result<()> {
    let is_plain = !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains(['/', '\\', '\0']);
    if is_plain {
        return Ok(());
    }
    Err(Error::argument("name of a part", format!("{name:?} is not the name of a file, without directories")))
}

/// Refuses an extension that would not come back from a name.
pub(super) fn check_extension(extension: &str) -> Result<()> {
    let is_word = !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_word && extension != DRAFT {
        return Ok(());
    }
    Err(Error::argument(
        "extension of parts",
        format!("{extension:?} is not letters and digits other than draft"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: u128 = 0x00ab_cdef_0123_4567_89ab_cdef_0123_4567;

    #[test]
    fn a_name_says_its_age_and_its_hash() {
        let age = Age { time: 0x019a_0b1c_2d3e, number: 0x1f };
        let name = age.part_name(HASH, "parquet");
        assert_eq!(name, "019a0b1c2d3e-0000001f-00abcdef0123456789abcdef01234567.parquet");
        assert_eq!(hash_in(&name, "parquet"), Some(HASH));
        assert_eq!(Age::of(&name, "parquet"), Some(age));
        assert_eq!(age.draft_name(), "019a0b1c2d3e-0000001f.draft");
        assert_eq!(Age::of(&age.draft_name(), "parquet"), Some(age));
        assert!(is_draft(&age.draft_name()) && !is_draft(&name));
    }

    #[test]
    fn names_of_version_1_and_of_others_carry_no_hash() {
        for name in [
            "19b0a1c2d3e-4711-12.parquet",
            "019a0b1c2d3e-0000001f-00ABCDEF0123456789abcdef01234567.parquet",
            "019a0b1c2d3e-0000001f-00abcdef0123456789abcdef01234567.csv",
            "019a0b1c2d3e-0000001f-00abcdef0123456789abcdef0123456.parquet",
            "019a0b1c2d3e--00abcdef0123456789abcdef01234567.parquet",
            "a.parquet",
            ".parquet",
            "",
        ] {
            assert_eq!(hash_in(name, "parquet"), None, "{name}");
            assert_eq!(Age::of(name, "parquet"), None, "{name}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_bring_an_age_back() {
        let future = Age { time: 0x0f00_0000_0000, number: u32::MAX - 1 };
        let next = future.next();
        assert_eq!(next, Age { time: 0x0f00_0000_0000, number: u32::MAX });
        assert_eq!(next.next(), Age { time: 0x0f00_0000_0001, number: 0 });
        assert!(Age::default().next().time > 0x0190_0000_0000);
    }

    #[test]
    fn the_hash_of_a_name_is_the_front_of_the_whole_one() {
        let mut sha256 = [0xff; 32];
        for (byte, value) in sha256.iter_mut().zip(1..=16) {
            *byte = value;
        }
        assert_eq!(format!("{:032x}", hash_of(sha256)), "0102030405060708090a0b0c0d0e0f10");
    }

    #[test]
    fn what_leads_out_of_the_directory_is_no_name() {
        for name in ["", ".", "..", "a/b", "/a", "a\0b", "..\\a"] {
            assert!(check_plain(name).is_err(), "{name:?}");
        }
        assert!(check_plain("..a").is_ok());
        assert!(check_extension("parquet").is_ok());
        for extension in ["", "draft", "a.b", "a-b", "a/b"] {
            assert!(check_extension(extension).is_err(), "{extension:?}");
        }
    }
}
