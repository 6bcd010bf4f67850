//! Dates, times and intervals as Postgres prints them in its ISO style.

use std::fmt::{self, Write};

use chrono::{Datelike, Days, NaiveDate};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Days between 1970-01-01, where Arrow counts from, and 2000-01-01, where Postgres does.
pub(super) const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// After this many years, which have this many days, the Gregorian calendar repeats.
const CYCLE_YEARS: i64 = 400;
const CYCLE_DAYS: i64 = 146_097;

/// The proleptic Gregorian year, month and day of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, u32, u32) {
    // chrono ends at the year 262 142 and dates of Arrow at 5 881 580, so chrono is only asked about one cycle.
    let date = NaiveDate::default() + Days::new(days.rem_euclid(CYCLE_DAYS) as u64);
    let year = i64::from(date.year()) + CYCLE_YEARS * days.div_euclid(CYCLE_DAYS);
    (year, date.month(), date.day())
}

/// Writes the date; the era follows at the end of the whole value, so it is returned.
fn write_day(days: i64, out: &mut impl Write) -> Result<&'static str, fmt::Error> {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    write!(out, "{year:04}-{month:02}-{day:02}")?;
    Ok(era)
}

/// `2026-11-21`
pub(super) fn write_date(days: i32, out: &mut impl Write) -> fmt::Result {
    let era = write_day(i64::from(days), out)?;
    out.write_str(era)
}

/// `05:32:10.25`
pub(super) fn write_time(micros: i64, out: &mut impl Write) -> fmt::Result {
    let seconds = micros / 1_000_000;
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    write_fraction(micros % 1_000_000, out)
}

fn write_fraction(micros: i64, out: &mut impl Write) -> fmt::Result {
    if micros == 0 {
        return Ok(());
    }
    let digits = format!("{micros:06}");
    write!(out, ".{}", digits.trim_end_matches('0'))
}

/// `2026-11-21 05:32:10.25`, with `+00` where the value has a zone: every session speaks UTC.
pub(super) fn write_timestamp(micros: i64, zoned: bool, out: &mut impl Write) -> fmt::Result {
    let era = write_day(micros.div_euclid(MICROS_PER_DAY), out)?;
    out.write_char(' ')?;
    write_time(micros.rem_euclid(MICROS_PER_DAY), out)?;
    if zoned {
        out.write_str("+00")?;
    }
    out.write_str(era)
}

/// `1 year 2 mons -3 days 04:05:06`
pub(super) fn write_interval(months: i32, days: i32, nanos: i64, out: &mut impl Write) -> fmt::Result {
    let mut separator = "";
    let parts = [(months / 12, "year"), (months % 12, "mon"), (days, "day")];
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
        let plural = if count == 1 { "" } else { "s" };
        write!(out, "{separator}{count} {unit}{plural}")?;
        separator = " ";
    }
    let micros = nanos / 1000;
    if micros != 0 || separator.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        write!(out, "{separator}{sign}")?;
        let micros = micros.abs();
        let seconds = micros / 1_000_000;
        write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        write_fraction(micros % 1_000_000, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(days: i32) -> String {
        let mut text = String::new();
        write_date(days, &mut text).unwrap();
        text
    }

    #[test]
    fn days_are_dates_of_the_gregorian_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(EPOCH_DAYS), "2000-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(-719_162), "0001-01-01");
        assert_eq!(date(-719_163), "0001-12-31 BC");
        assert_eq!(date(i32::MAX), "5881580-07-11");
        assert_eq!(date(i32::MIN), "5877642-06-23 BC");
    }

    #[test]
    fn a_timestamp_before_the_epoch_keeps_its_time_of_day() {
        let mut text = String::new();
        write_timestamp(-250_000, true, &mut text).unwrap();
        assert_eq!(text, "1969-12-31 23:59:59.75+00");
    }

    #[test]
    fn intervals_read_like_postgres() {
        let interval = |months, days, nanos| {
            let mut text = String::new();
            write_interval(months, days, nanos, &mut text).unwrap();
            text
        };
        assert_eq!(interval(14, -3, 14_706_000_000_000), "1 year 2 mons -3 days 04:05:06");
        assert_eq!(interval(0, 0, 0), "00:00:00");
        assert_eq!(interval(0, 1, -1_500_000_000), "1 day -00:00:01.5");
    }
}
