//! Where statements end in a text.

/// What the characters at some place of a text belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
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
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut start = 0;
    scan(text, |end| {
        statements.push(text[start..end].to_string());
        start = end + 1;
    });
    statements.push(text[start..].to_string());
    statements.retain(|statement| !is_blank(statement));
    statements
}

/// Whether the text ends behind a semicolon, so that nothing of a statement is missing.
pub(crate) fn is_complete(text: &str) -> bool {
    let mut end = None;
    let place = scan(text, |position| end = Some(position));
    let finished = matches!(place, Place::Code | Place::LineComment);
    finished && end.is_some_and(|end| is_blank(&text[end + 1..]))
}

/// Whether there is nothing but blanks and comments.
pub(crate) fn is_blank(text: &str) -> bool {
    let mut place = Place::Code;
    let mut rest = text;
    while !rest.is_empty() {
        let (next, length) = step(&place, rest);
        let code = place == Place::Code && next == Place::Code;
        if code && !rest[..length].trim().is_empty() || matches!(next, Place::Quoted(_) | Place::Dollar(_)) {
            return false;
        }
        place = next;
        rest = &rest[length..];
    }
    matches!(place, Place::Code | Place::LineComment)
}

/// Calls `at` with the position of each semicolon that ends a statement; says where the text breaks off.
fn scan(text: &str, mut at: impl FnMut(usize)) -> Place {
    let mut place = Place::Code;
    let mut position = 0;
    while position < text.len() {
        let rest = &text[position..];
        if place == Place::Code && rest.starts_with(';') {
            at(position);
        }
        let (next, length) = step(&place, rest);
        place = next;
        position += length;
    }
    place
}

/// Where the text goes on after the next token, and how long that is.
fn step(place: &Place, rest: &str) -> (Place, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    let length = first.len_utf8();
    match place {
        Place::Code => match first {
            '\'' | '"' => (Place::Quoted(first), length),
            '-' if rest.starts_with("--") => (Place::LineComment, 2),
            '/' if rest.starts_with("/*") => (Place::BlockComment(1), 2),
            '$' => match dollar_tag(rest) {
                Some(tag) => (Place::Dollar(tag.to_string()), tag.len()),
                None => (Place::Code, length),
            },
            // A name may hold a dollar sign, which then opens nothing.
            first if first.is_alphanumeric() || first == '_' => {
                let word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
                (Place::Code, rest.find(|letter| !word(letter)).unwrap_or(rest.len()))
            }
            _ => (Place::Code, length),
        },
        Place::Quoted(quote) if first == *quote => (Place::Code, length),
        Place::LineComment if first == '\n' => (Place::Code, length),
        Place::BlockComment(depth) if rest.starts_with("*/") => match depth {
            1 => (Place::Code, 2),
            depth => (Place::BlockComment(depth - 1), 2),
        },
        Place::BlockComment(depth) if rest.starts_with("/*") => (Place::BlockComment(depth + 1), 2),
        Place::Dollar(tag) if rest.starts_with(tag.as_str()) => (Place::Code, tag.len()),
        place => (place.clone(), length),
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
