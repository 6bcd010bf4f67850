//! Arrays as Postgres writes them in text: `{1,NULL,"two words"}`.

use std::fmt::{self, Write};

/// The items of an array literal such as `{1,NULL,"two words"}`, or `None` where it is malformed.
pub(crate) fn items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    let mut letters = inner.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let mut item = String::new();
        let quoted = letters.next_if_eq(&'"').is_some();
        loop {
            match letters.next_if(|letter| quoted || *letter != ',') {
                Some('\\') => item.push(letters.next()?),
                Some('"') if quoted => break,
                Some('"' | '{' | '}') if !quoted => return None,
                Some(letter) => item.push(letter),
                None if quoted => return None,
                None => break,
            }
        }
        while letters.next_if(|letter| quoted && letter.is_whitespace()).is_some() {}
        let bare = item.trim_end();
        if !quoted && bare.is_empty() {
            return None;
        }
        items.push(match quoted {
            true => Some(item),
            false if bare.eq_ignore_ascii_case("null") => None,
            false => Some(bare.to_owned()),
        });
        match letters.next() {
            Some(',') => {}
            None => return Some(items),
            Some(_) => return None,
        }
    }
}

/// Writes an item that is not NULL, in quotes where it would else be read as something different.
pub(crate) fn write_item(text: &str, out: &mut impl Write) -> fmt::Result {
    let special =
        |letter: char| matches!(letter, '"' | '{' | '}' | ',' | '\\') || letter.is_ascii_whitespace();
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        return out.write_str(text);
    }
    out.write_char('"')?;
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(letter)?;
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_literals_unquote_their_items() {
        let read = items(r#"{a, "b \"c\"", NULL, "null", d e}"#).unwrap();
        let texts: Vec<_> = read.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("a"), Some("b \"c\""), None, Some("null"), Some("d e")]);
        for malformed in ["{a", "{a,}", "{,}", "{\"a}", "{a\"b}", "a,b"] {
            assert_eq!(items(malformed), None, "{malformed}");
        }
        assert_eq!(items("{}"), Some(vec![]));
    }
}
