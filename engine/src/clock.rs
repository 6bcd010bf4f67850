//! Wall-clock time as the tables show it.

use std::time::{SystemTime, UNIX_EPOCH};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Microseconds since the Unix epoch, UTC.
pub(crate) fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// The day of a moment in UTC, as `2026-03-01`.
pub(crate) fn day_of(micros: i64) -> String {
    // Years that begin in March end with the day that may be missing, and 400 of them have 146,097 days.
    let days = micros.div_euclid(MICROS_A_DAY) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::{MICROS_A_DAY, day_of};

    #[test]
    fn days_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_454, "2026-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (days, expected) in cases {
            assert_eq!(day_of(days * MICROS_A_DAY), expected);
            assert_eq!(day_of(days * MICROS_A_DAY + MICROS_A_DAY - 1), expected);
        }
    }
}
