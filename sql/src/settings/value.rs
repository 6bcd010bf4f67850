//! Values of settings: what they may be, and how they are written.

use std::str::FromStr;

use datafusion::arrow::array::timezone::Tz;
use hyprstream_engine::parse_boolean;

use crate::error::{Error, ErrorKind, Result};

/// The severities of messages, from the least.
pub(super) const MESSAGE_LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];

/// What values a setting takes.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Boolean,
    Integer(i64, i64),
    Float(f64, f64),
    Duration,
    Encoding,
    TimeZone,
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// The value as it is kept, or an error that names the limit.
    pub(super) fn check(&self, name: &str, value: &str) -> Result<String> {
        let wrong = |reason: String| {
            let message = format!("invalid value for parameter \"{name}\": \"{value}\"; {reason}");
            Error::new(ErrorKind::InvalidParameter, message)
        };
        match self {
            Self::Text => Ok(value.to_owned()),
            Self::Boolean => match parse_boolean(value) {
                Some(true) => Ok("on".to_owned()),
                Some(false) => Ok("off".to_owned()),
                None => Err(wrong("it must be on or off".to_owned())),
            },
            Self::Integer(least, most) => match value.parse::<i64>() {
                Ok(number) if (*least..=*most).contains(&number) => Ok(number.to_string()),
                _ => Err(wrong(format!("it must be an integer between {least} and {most}"))),
            },
            Self::Float(least, most) => match value.parse::<f64>() {
                Ok(number) if (*least..=*most).contains(&number) => Ok(number.to_string()),
                _ => Err(wrong(format!("it must be a number between {least} and {most}"))),
            },
            Self::Duration => match milliseconds(value) {
                Some(0) => Ok("0".to_owned()),
                Some(milliseconds) => Ok(written(milliseconds)),
                None => Err(wrong("it must be a time such as 500, 500ms, 10s or 2min".to_owned())),
            },
            Self::Encoding => match value.to_ascii_uppercase().replace(['-', '_'], "").as_str() {
                "UTF8" | "UNICODE" | "AUTO" => Ok("UTF8".to_owned()),
                _ => Err(wrong("only UTF8 is supported".to_owned())),
            },
            Self::TimeZone => match value.to_ascii_uppercase().as_str() {
                "DEFAULT" | "LOCAL" | "UTC" | "GMT" | "Z" => Ok("UTC".to_owned()),
                _ if Tz::from_str(value).is_ok() => Ok(value.to_owned()),
                _ => Err(wrong("it must be a time zone such as UTC, Europe/Berlin or +02:00".to_owned())),
            },
            Self::OneOf(values) => match values.iter().find(|v| v.eq_ignore_ascii_case(value)) {
                Some(value) => Ok((*value).to_owned()),
                None => Err(wrong(format!("it must be {}", values.join(" or ")))),
            },
        }
    }
}

/// A time with its unit in milliseconds; a bare number is milliseconds.
pub(super) fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let number: f64 = value[..digits].parse().ok()?;
    let unit = match value[digits..].trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let milliseconds = (number * unit).round();
    (milliseconds <= f64::from(i32::MAX)).then_some(milliseconds as u64)
}

/// A time in the largest unit that it is a whole number of.
fn written(milliseconds: u64) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)] {
        if milliseconds.is_multiple_of(size) {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    format!("{milliseconds}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units_and_written_shortest() {
        assert_eq!(milliseconds("1500"), Some(1500));
        assert_eq!(milliseconds("1.5s"), Some(1500));
        assert_eq!(milliseconds("2 min"), Some(120_000));
        assert_eq!(milliseconds("-1"), None);
        assert_eq!(milliseconds("soon"), None);
        assert_eq!(Kind::Duration.check("statement_timeout", "120000").unwrap(), "2min");
        assert_eq!(Kind::Duration.check("statement_timeout", "1500").unwrap(), "1500ms");
    }

    #[test]
    fn a_value_outside_its_limits_is_refused_with_them() {
        let error = Kind::Integer(1, 10).check("hyprstream.max_tokens", "-5").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        assert!(
            error.message().contains("\"-5\"") && error.message().contains("between 1 and 10"),
            "{error}"
        );
    }

    #[test]
    fn booleans_and_encodings_are_normalised() {
        for (text, value) in
            [("FALSE", "off"), ("of", "off"), ("n", "off"), ("tru", "on"), ("1", "on"), ("Y", "on")]
        {
            assert_eq!(Kind::Boolean.check("x", text).unwrap(), value, "{text}");
        }
        for text in ["", "o", "onn", "2", "truee"] {
            assert!(Kind::Boolean.check("x", text).is_err(), "{text}");
        }
        assert_eq!(Kind::Encoding.check("client_encoding", "utf-8").unwrap(), "UTF8");
        assert!(Kind::Encoding.check("client_encoding", "LATIN1").is_err());
        assert!(Kind::TimeZone.check("timezone", "Mars/Olympus").is_err());
        assert_eq!(Kind::TimeZone.check("timezone", "Europe/Berlin").unwrap(), "Europe/Berlin");
    }
}
