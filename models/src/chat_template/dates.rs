//! The date, for templates that state it.

use chrono::format::StrftimeItems;
use chrono::{DateTime, Utc};

/// Today's date and the time, in UTC, by Python's directives; what is no directive stands as it is.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
pub(super) fn strftime_now(format: String) -> String {
    strftime(&format, Utc::now())
}

fn strftime(format: &str, time: DateTime<Utc>) -> String {
    time.format_with_items(StrftimeItems::new_lenient(format)).to_string()
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
    }
}
