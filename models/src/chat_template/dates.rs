//! The date, for templates that state it.

use chrono::format::StrftimeItems;
use chrono::{DateTime, Timelike, Utc};

/// Today's date and the time, in UTC, by Python's directives; what is no directive stands as it is.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
pub(super) fn strftime_now(format: String) -> String {
    strftime(&format, Utc::now())
}

fn strftime(format: &str, time: DateTime<Utc>) -> String {
    time.format_with_items(StrftimeItems::new_lenient(&python_directives(format, time))).to_string()
}

/// Writes out what Python means otherwise: microseconds, and a time zone of which `datetime.now()` knows nothing.
fn python_directives(format: &str, time: DateTime<Utc>) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('f') => out.push_str(&format!("{:06}", time.nanosecond() / 1_000)),
            Some('z' | 'Z') => {}
            Some(directive) => out.extend(['%', directive]),
            None => out.push('%'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_by_their_directives() {
        let written =
            |format: &str, seconds| strftime(format, DateTime::from_timestamp_secs(seconds).unwrap());
        assert_eq!(written("%d %b %Y, %A %H:%M:%S", 951_782_399), "28 Feb 2000, Monday 23:59:59");
        assert_eq!(written("%Y-%m-%d %a %B 100%%", 951_782_400), "2000-02-29 Tue February 100%");
        assert_eq!(written("%y %Q %", 951_782_400), "00 %Q %");
        assert_eq!(written("%-d|%-m|%j|%p|%I|%e|%w|%U", 951_782_400), "29|2|060|AM|12|29|2|09");
        assert_eq!(written("%c|%x|%X", 951_782_400), "Tue Feb 29 00:00:00 2000|02/29/00|00:00:00");
        assert_eq!(written("%f|%Z%z|%%f", 951_782_400), "000000||%f");
    }
}
