//! `numeric` in binary: digits of base 10 000, a weight, a sign and the number of decimals.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};

/// Writes the number that `text` spells in plain decimal notation, such as `-12.50`.
pub(super) fn write_binary(text: &str, out: &mut BytesMut) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // Groups of four are counted from the decimal point, so both sides are padded towards it.
    let padding = whole.len().next_multiple_of(4) - whole.len();
    let mut decimals = vec![0u8; padding];
    decimals.extend(whole.bytes().chain(fraction.bytes()).map(|digit| digit.wrapping_sub(b'0') % 10));
    decimals.resize(decimals.len().next_multiple_of(4), 0);
    let groups: Vec<i16> = decimals
        .chunks(4)
        .map(|four| four.iter().fold(0, |sum, digit| sum * 10 + i16::from(*digit)))
        .collect();

    let whole_groups = (padding + whole.len()) / 4;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let kept = groups.len() - groups.iter().rev().take_while(|group| **group == 0).count();
    let significant = groups.get(leading..kept).unwrap_or_default();
    out.put_i16(significant.len() as i16);
    out.put_i16(if significant.is_empty() { 0 } else { whole_groups as i16 - 1 - leading as i16 });
    out.put_u16(if negative && !significant.is_empty() { 0x4000 } else { 0 });
    out.put_u16(fraction.len() as u16);
    for group in significant {
        out.put_i16(*group);
    }
}

/// Reads the decimal notation of a binary `numeric`, or `None` where the bytes are not one.
pub(crate) fn read_binary(bytes: &[u8]) -> Option<String> {
    let field =
        |index: usize| bytes.get(index * 2..index * 2 + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign, scale) = (field(0)?, field(1)? as i16, field(2)?, field(3)?);
    if sign == 0xc000 {
        return Some("NaN".into());
    }
    if bytes.len() != 8 + usize::from(count) * 2 || !matches!(sign, 0 | 0x4000) || scale > 1000 {
        return None;
    }
    let group = |position: i32| -> Option<u16> {
        let index = i32::from(weight) - position;
        match usize::try_from(index) {
            Ok(index) if index < usize::from(count) => field(4 + index).filter(|digits| *digits < 10_000),
            _ => Some(0),
        }
    };
    let mut text = String::from(if sign == 0x4000 { "-" } else { "" });
    let mut whole = String::new();
    for position in (0..=i32::from(weight.clamp(0, 100))).rev() {
        write!(whole, "{:04}", group(position)?).ok()?;
    }
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        for position in 1..=i32::from(scale.div_ceil(4)) {
            write!(fraction, "{:04}", group(-position)?).ok()?;
        }
        text.push('.');
        text.push_str(fraction.get(..usize::from(scale))?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        let mut out = BytesMut::new();
        write_binary(text, &mut out);
        out.to_vec()
    }

    #[test]
    fn numbers_are_written_as_postgres_sends_them() {
        // From `numeric_send` of PostgreSQL 15.
        assert_eq!(encoded("0"), [0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encoded("12.50"), [0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x13, 0x88]);
        assert_eq!(encoded("-10000"), [0, 1, 0, 1, 0x40, 0, 0, 0, 0, 1]);
        assert_eq!(encoded("0.00001234"), [0, 1, 0xff, 0xfe, 0, 0, 0, 8, 0x04, 0xd2]);
    }

    #[test]
    fn hostile_bytes_are_no_number() {
        assert_eq!(read_binary(&[0, 1, 0, 0]), None);
        assert_eq!(read_binary(&[0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), None);
    }

    proptest! {
        #[test]
        fn a_number_survives_the_round_trip(value in any::<i128>(), scale in 0usize..20) {
            let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let sign = if value < 0 { "-" } else { "" };
            let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
            prop_assert_eq!(read_binary(&encoded(&text)).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = read_binary(&bytes);
        }
    }
}
