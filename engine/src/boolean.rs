//! The words that Postgres reads as a boolean.

/// Reads a boolean as Postgres does: `true`, `yes`, `on` and `1` or their opposites, in any case, with blanks
/// around them, and shortened as long as no other word begins alike. `None` where it is none of these.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let word = text.trim_matches(|letter: char| letter.is_ascii_whitespace()).to_ascii_lowercase();
    let shortens = |whole: &str, shortest: usize| word.len() >= shortest && whole.starts_with(&word);
    if word == "1" || shortens("true", 1) || shortens("yes", 1) || shortens("on", 2) {
        return Some(true);
    }
    (word == "0" || shortens("false", 1) || shortens("no", 1) || shortens("off", 2)).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::parse_boolean;

    #[test]
    fn a_word_may_be_shortened_while_it_is_clear() {
        for word in ["t", "TRU", "true", "y", "yes", "on", " 1\n"] {
            assert_eq!(parse_boolean(word), Some(true), "{word}");
        }
        for word in ["f", "fal", "False", "n", "no", "of", "OFF", "0"] {
            assert_eq!(parse_boolean(word), Some(false), "{word}");
        }
        for word in ["", "o", "10", "truer", "maybe"] {
            assert_eq!(parse_boolean(word), None, "{word}");
        }
    }
}
