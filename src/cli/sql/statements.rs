//! Where statements end in a text.

/// What the next character of a text belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Code,
    /// Inside quotes; `'` and `"` double themselves.
    Quoted(char),
    LineComment,
    /// Block comments nest.
    BlockComment(usize),
    /// Inside `$tag$ … $tag$`.
    Dollar(String),
}

/// The statements of a text, without their semicolons, blank ones left out.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut start = 0;
    scan(text, |end| {
        statements.push(text[start..end].to_owned());
        start = end + 1;
    });
    statements.push(text[start..].to_owned());
    statements.retain(|statement| !is_blank(statement));
    statements
}

/// Whether the text ends behind a semicolon, so that nothing of a statement is missing.
pub(super) fn is_complete(text: &str) -> bool {
    let mut end = None;
    let state = scan(text, |position| end = Some(position));
    let finished = matches!(state, State::Code | State::LineComment);
    finished && end.is_some_and(|end| is_blank(&text[end + 1..]))
}

/// Whether there is nothing but blanks and comments.
pub(super) fn is_blank(text: &str) -> bool {
    let mut state = State::Code;
    let mut rest = text;
    while !rest.is_empty() {
        let (next, length) = step(&state, rest);
        let code = state == State::Code && next == State::Code;
        if code && !rest[..length].trim().is_empty() || matches!(next, State::Quoted(_) | State::Dollar(_)) {
            return false;
        }
        state = next;
        rest = &rest[length..];
    }
    matches!(state, State::Code | State::LineComment)
}

/// Calls `at` with the position of each semicolon that ends a statement, and returns the state at the end.
fn scan(text: &str, mut at: impl FnMut(usize)) -> State {
    let mut state = State::Code;
    let mut position = 0;
    while position < text.len() {
        let rest = &text[position..];
        if state == State::Code && rest.starts_with(';') {
            at(position);
        }
        let (next, length) = step(&state, rest);
        state = next;
        position += length;
    }
    state
}

/// The state after the next token, and how long that is.
fn step(state: &State, rest: &str) -> (State, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    let length = first.len_utf8();
    match state {
        State::Code => match first {
            '\'' | '"' => (State::Quoted(first), length),
            '-' if rest.starts_with("--") => (State::LineComment, 2),
            '/' if rest.starts_with("/*") => (State::BlockComment(1), 2),
            '$' => match dollar_tag(rest) {
                Some(tag) => (State::Dollar(tag.to_owned()), tag.len()),
                None => (State::Code, length),
            },
            // A name may hold a dollar sign, which then opens nothing.
            first if first.is_alphanumeric() || first == '_' => {
                let word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
                (State::Code, rest.find(|letter| !word(letter)).unwrap_or(rest.len()))
            }
            _ => (State::Code, length),
        },
        State::Quoted(quote) if first == *quote => (State::Code, length),
        State::LineComment if first == '\n' => (State::Code, length),
        State::BlockComment(depth) if rest.starts_with("*/") => match depth {
            1 => (State::Code, 2),
            depth => (State::BlockComment(depth - 1), 2),
        },
        State::BlockComment(depth) if rest.starts_with("/*") => (State::BlockComment(depth + 1), 2),
        State::Dollar(tag) if rest.starts_with(tag.as_str()) => (State::Code, tag.len()),
        state => (state.clone(), length),
    }
}

/// The `$tag$` that a text begins with.
fn dollar_tag(text: &str) -> Option<&str> {
    let name = text.get(1..)?;
    let end = name.find('$')?;
    let valid = name[..end]
        .chars()
        .enumerate()
        .all(|(index, letter)| letter == '_' || letter.is_alphabetic() || index > 0 && letter.is_numeric());
    valid.then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        let text = "SELECT 'a;''b'; -- c;\nSELECT \";\" /* ; /* ; */ ; */;\nSELECT $q$ ; $q$, $1; ;\n-- end";
        assert_eq!(
            split(text),
            ["SELECT 'a;''b'", " -- c;\nSELECT \";\" /* ; /* ; */ ; */", "\nSELECT $q$ ; $q$, $1"]
        );
    }

    #[test]
    fn a_statement_is_complete_behind_its_semicolon() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("SELECT 1; -- done"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT 1; SELECT 2"));
        assert!(!is_complete("SELECT 1; /* open"));
        assert!(!is_complete("SELECT a$b$;c$b$"));
    }

    #[test]
    fn comments_alone_are_blank() {
        assert!(is_blank(" -- nothing\n/* here */"));
        assert!(!is_blank("''"));
        assert!(!is_blank("/* open"));
    }

    proptest! {
        #[test]
        fn splitting_any_text_keeps_its_characters(text in ".{0,80}") {
            let kept: String = split(&text).concat();
            let without = |text: &str| text.replace(';', "").chars().filter(|c| c.is_alphanumeric()).count();
            prop_assert!(without(&kept) <= without(&text));
            let _ = is_complete(&text);
        }
    }
}
