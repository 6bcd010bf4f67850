//! The settings that a session may have: ours, and those of Postgres that clients send.

use hyprstream_engine::limits::{MAX_TEMPERATURE, MAX_TOKENS};

use crate::settings::value::{self, Kind};

/// The engine's settings that a session may set for itself; the engine knows their defaults and descriptions.
const FOR_ONE_SESSION: &[(&str, Kind)] =
    &[("hyprstream.default_model", Kind::Text), ("hyprstream.record_trajectories", Kind::Boolean)];

/// A setting that lives in sessions alone.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) kind: Kind,
    pub(super) read_only: bool,
    pub(super) description: &'static str,
}

const fn known(name: &'static str, default: &'static str, kind: Kind, description: &'static str) -> Known {
    Known { name, default, kind, read_only: false, description }
}

const fn fixed(name: &'static str, value: &'static str, description: &'static str) -> Known {
    Known { name, default: value, kind: Kind::Text, read_only: true, description }
}

/// Every setting, by name.
pub(super) const KNOWN: &[Known] = &[
    known("application_name", "", Kind::Text, "What the client calls itself."),
    known("bytea_output", "hex", Kind::OneOf(&["hex"]), "How bytes are written as text."),
    known("client_encoding", "UTF8", Kind::Encoding, "The encoding of the client's text; always UTF8."),
    known(
        "client_min_messages",
        "notice",
        Kind::OneOf(value::MESSAGE_LEVELS),
        "The least severe message that is sent.",
    ),
    known("datestyle", "ISO, MDY", Kind::Text, "How dates are written; always ISO."),
    known("default_transaction_isolation", "read committed", Kind::Text, "Accepted for clients that set it."),
    known("default_transaction_read_only", "off", Kind::Boolean, "Accepted for clients that set it."),
    known("extra_float_digits", "1", Kind::Integer(-15, 3), "Floats are always written exactly."),
    known(
        "hyprstream.max_tokens",
        "256",
        Kind::Integer(1, MAX_TOKENS as i64),
        "The most tokens that a generation produces when the call does not say.",
    ),
    known(
        "hyprstream.temperature",
        "0",
        Kind::Float(0.0, MAX_TEMPERATURE as f64),
        "The temperature of a generation when the call does not say.",
    ),
    known("idle_in_transaction_session_timeout", "0", Kind::Duration, "Accepted for clients that set it."),
    fixed("in_hot_standby", "off", "Always off."),
    fixed("integer_datetimes", "on", "Always on."),
    known("intervalstyle", "postgres", Kind::Text, "How intervals are written."),
    fixed("is_superuser", "on", "Whether the role may do everything."),
    known("jit", "off", Kind::Boolean, "Accepted for clients that set it."),
    fixed("lc_collate", "C", "Text is ordered by its bytes."),
    fixed("lc_ctype", "C", "Text is ordered by its bytes."),
    known("lock_timeout", "0", Kind::Duration, "Accepted for clients that set it."),
    fixed("max_identifier_length", "63", "The longest name."),
    known("row_security", "off", Kind::Boolean, "Accepted for clients that set it."),
    known("search_path", "public", Kind::Text, "Where unqualified names are looked up."),
    fixed("server_encoding", "UTF8", "The encoding of stored text."),
    fixed("server_version", "15.0", "The version of Postgres whose protocol and catalog are offered."),
    fixed("server_version_num", "150000", "The same as a number."),
    known("session_authorization", "hyprstream", Kind::Text, "The role."),
    known("standard_conforming_strings", "on", Kind::OneOf(&["on"]), "Always on."),
    known("statement_timeout", "0", Kind::Duration, "How long a statement may take; 0 is no limit."),
    known("timezone", "UTC", Kind::TimeZone, "The time zone of timestamps that carry one."),
    known("transaction_isolation", "read committed", Kind::Text, "Accepted for clients that set it."),
    known("transaction_read_only", "off", Kind::Boolean, "Accepted for clients that set it."),
    known("xmloption", "content", Kind::Text, "Accepted for clients that set it."),
];

pub(super) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// What values a session may give one of the engine's settings; `None` when it may give it none.
pub(super) fn kind_for_one_session(name: &str) -> Option<&'static Kind> {
    FOR_ONE_SESSION.iter().find(|(setting, _)| *setting == name).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use hyprstream_engine::limits::DEFAULT_MAX_TOKENS;

    use super::KNOWN;

    #[test]
    fn an_answer_has_as_many_tokens_by_default_as_the_engine_gives_it() {
        let known = KNOWN.iter().find(|known| known.name == "hyprstream.max_tokens").unwrap();
        assert_eq!(known.default, DEFAULT_MAX_TOKENS.to_string());
    }
}
