//! The methods of texts.

use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Error as JinjaError, ErrorKind, Value};

use crate::chat_template::python::bounds::{FORMAT, check_length, refused};
use crate::chat_template::python::formatting::{printf, str_format};

/// A method of a text.
pub(super) fn method(text: &str, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    match method {
        FORMAT => printf(text, Rest(args.to_vec())),
        "format" => str_format(text, args),
        "strip" | "lstrip" | "rstrip" => strip(text, method, args),
        "startswith" | "endswith" => affix(text, method == "startswith", args),
        "find" | "rfind" | "index" | "rindex" | "count" => search(text, method, args),
        "split" | "rsplit" | "splitlines" | "partition" | "rpartition" => split(text, method, args),
        "replace" => replace_some(text, args),
        "removeprefix" | "removesuffix" => {
            let (part,): (&str,) = from_args(args)?;
            let rest =
                if method == "removeprefix" { text.strip_prefix(part) } else { text.strip_suffix(part) };
            Ok(Value::from(rest.unwrap_or(text)))
        }
        "join" => {
            let (parts,): (Value,) = from_args(args)?;
            join(&parts, text)
        }
        "ljust" | "rjust" | "center" | "zfill" => pad(text, method, args),
        _ => {
            let () = from_args(args)?;
            let changed = changed(text, method).map(Value::from);
            let answer = changed.or_else(|| is(text, method).map(Value::from));
            answer.ok_or_else(|| JinjaError::from(ErrorKind::UnknownMethod))
        }
    }
}

fn changed(text: &str, method: &str) -> Option<String> {
    Some(match method {
        "upper" => text.to_uppercase(),
        "lower" | "casefold" => text.to_lowercase(),
        "capitalize" => {
            let mut characters = text.chars();
            let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
            first + &characters.as_str().to_lowercase()
        }
        "title" => {
            let mut title = String::with_capacity(text.len());
            let mut in_word = false;
            for character in text.chars() {
                if in_word {
                    title.extend(character.to_lowercase());
                } else {
                    title.extend(character.to_uppercase());
                }
                in_word = character.is_alphabetic();
            }
            title
        }
        "swapcase" => {
            let swap = |character: char| -> String {
                if character.is_uppercase() {
                    character.to_lowercase().collect()
                } else {
                    character.to_uppercase().collect()
                }
            };
            text.chars().map(swap).collect()
        }
        _ => return None,
    })
}

fn is(text: &str, method: &str) -> Option<bool> {
    let all = |of: fn(char) -> bool| !text.is_empty() && text.chars().all(of);
    let any = |of: fn(char) -> bool| text.chars().any(of);
    Some(match method {
        "isspace" => all(is_space),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isdigit" | "isdecimal" | "isnumeric" => all(char::is_numeric),
        "isascii" => text.is_ascii(),
        "isupper" => any(char::is_uppercase) && !any(char::is_lowercase),
        "islower" => any(char::is_lowercase) && !any(char::is_uppercase),
        "istitle" => any(char::is_alphabetic) && changed(text, "title").as_deref() == Some(text),
        _ => return None,
    })
}

/// Python also takes the separators of ASCII for spaces.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn strip(text: &str, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    let (of,): (Option<&str>,) = from_args(args)?;
    let is_stripped = |character: char| of.map_or_else(|| is_space(character), |of| of.contains(character));
    let text = if method == "rstrip" { text } else { text.trim_start_matches(is_stripped) };
    Ok(Value::from(if method == "lstrip" { text } else { text.trim_end_matches(is_stripped) }))
}

/// `startswith` and `endswith`, of one text or of several.
fn affix(text: &str, at_start: bool, args: &[Value]) -> Result<Value, JinjaError> {
    let (affix, start, stop): (&Value, Option<i64>, Option<i64>) = from_args(args)?;
    let (_, text) = within(text, start, stop);
    let has = |affix: &Value| {
        let affix = affix.as_str().ok_or_else(|| refused("a text begins and ends with texts"))?;
        Ok(if at_start { text.starts_with(affix) } else { text.ends_with(affix) })
    };
    if !matches!(affix.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return has(affix).map(Value::from);
    }
    for affix in affix.try_iter()? {
        if has(&affix)? {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

/// The part between two positions, and how many characters stand before it.
fn within(text: &str, start: Option<i64>, stop: Option<i64>) -> (usize, &str) {
    if start.is_none() && stop.is_none() {
        return (0, text);
    }
    let length = text.chars().count() as i64;
    let bound =
        |bound: i64| (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(0, length) as usize;
    let (start, stop) = (start.map_or(0, bound), stop.map_or(length as usize, bound));
    let byte = |position| text.char_indices().nth(position).map_or(text.len(), |(at, _)| at);
    (start, text.get(byte(start)..byte(stop)).unwrap_or_default())
}

fn search(text: &str, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    let (part, start, stop): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let (skipped, text) = within(text, start, stop);
    if method == "count" {
        return Ok(Value::from(text.matches(part).count()));
    }
    let at = if method.starts_with('r') { text.rfind(part) } else { text.find(part) };
    match at {
        Some(at) => Ok(Value::from(skipped + text.get(..at).unwrap_or_default().chars().count())),
        None if method.ends_with("find") => Ok(Value::from(-1)),
        None => Err(refused("the part is not in the text")),
    }
}

fn split(text: &str, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    match method {
        "splitlines" => {
            let (keep, options): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.map_or_else(|| options.get::<Option<bool>>("keepends"), |keep| Ok(Some(keep)))?;
            options.assert_all_used()?;
            return Ok(lines(text, keep.unwrap_or(false)).into_iter().map(Value::from).collect());
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            check_separator(separator)?;
            let parts =
                if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let parts = match parts {
                Some((before, after)) => [before, separator, after],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            return Ok(parts.into_iter().map(Value::from).collect());
        }
        _ => {}
    }
    let (separator, most, options): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = separator.map_or_else(|| options.get::<Option<Value>>("sep"), |given| Ok(Some(given)))?;
    let most = most.map_or_else(|| options.get::<Option<i64>>("maxsplit"), |most| Ok(Some(most)))?;
    options.assert_all_used()?;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let from_right = method == "rsplit";
    let parts = match separator.filter(|separator| !separator.is_none()) {
        None => words(text, most, from_right),
        Some(separator) => {
            let separator = separator.as_str().ok_or_else(|| refused("a separator is a text"))?;
            check_separator(separator)?;
            let most = most.saturating_add(1);
            if from_right {
                let mut parts: Vec<&str> = text.rsplitn(most, separator).collect();
                parts.reverse();
                parts
            } else {
                text.splitn(most, separator).collect()
            }
        }
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

fn check_separator(separator: &str) -> Result<(), JinjaError> {
    if separator.is_empty() { Err(refused("a separator is not empty")) } else { Ok(()) }
}

/// The words between spaces; after `most` splits what is left is one word.
fn words(text: &str, most: usize, from_right: bool) -> Vec<&str> {
    let trimmed = |rest| {
        if from_right {
            str::trim_end_matches(rest, is_space)
        } else {
            str::trim_start_matches(rest, is_space)
        }
    };
    let mut words = Vec::new();
    let mut rest = trimmed(text);
    while !rest.is_empty() {
        let space = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(space) = space.filter(|_| words.len() < most) else {
            words.push(rest);
            break;
        };
        let (before, after) = rest.split_at(space);
        let (word, others) =
            if from_right { (after.trim_start_matches(is_space), before) } else { (before, after) };
        words.push(word);
        rest = trimmed(others);
    }
    if from_right {
        words.reverse();
    }
    words
}

fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end =
        |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(is_end).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(length);
        let end =
            if behind.starts_with("\r\n") { 2 } else { behind.chars().next().map_or(0, char::len_utf8) };
        lines.push(if keep_ends { rest.get(..length + end).unwrap_or(line) } else { line });
        rest = behind.get(end..).unwrap_or_default();
    }
    lines
}

fn replace_some(text: &str, args: &[Value]) -> Result<Value, JinjaError> {
    let (old, new, most, options): (&str, &str, Option<i64>, Kwargs) = from_args(args)?;
    let most = most.map_or_else(|| options.get::<Option<i64>>("count"), |most| Ok(Some(most)))?;
    options.assert_all_used()?;
    replace(text, old, new, most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX))
}

fn replace(text: &str, old: &str, new: &str, most: usize) -> Result<Value, JinjaError> {
    let count = text.matches(old).count().min(most);
    check_length(count.checked_mul(new.len()).and_then(|added| added.checked_add(text.len())))?;
    Ok(Value::from(text.replacen(old, new, most)))
}

/// The filter `replace`, of what is a text or is printed as one.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
pub(in crate::chat_template) fn replace_filter(
    value: Value,
    old: String,
    new: String,
    most: Option<i64>,
) -> Result<Value, JinjaError> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    match value.as_str() {
        Some(text) => replace(text, &old, &new, most),
        None => replace(&value.to_string(), &old, &new, most),
    }
}

fn join(parts: &Value, separator: &str) -> Result<Value, JinjaError> {
    let mut joined = String::new();
    for (index, part) in parts.try_iter()?.enumerate() {
        let part = part.as_str().ok_or_else(|| refused("only texts are joined"))?.to_owned();
        check_length(joined.len().checked_add(separator.len() + part.len()))?;
        joined.push_str(if index > 0 { separator } else { "" });
        joined.push_str(&part);
    }
    Ok(Value::from(joined))
}

fn pad(text: &str, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    let (width, fill): (i64, Option<char>) = from_args(args)?;
    let length = text.chars().count();
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(length);
    let fill = fill.unwrap_or(if method == "zfill" { '0' } else { ' ' });
    check_length(missing.checked_mul(fill.len_utf8()).and_then(|added| added.checked_add(text.len())))?;
    let padding = |count: usize| String::from(fill).repeat(count);
    Ok(Value::from(match method {
        "ljust" => text.to_owned() + &padding(missing),
        "rjust" => padding(missing) + text,
        "center" => {
            // Where it cannot be even, Python's longer side depends on the width.
            let left = missing / 2 + (missing & (length + missing) & 1);
            padding(left) + text + &padding(missing - left)
        }
        _ => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            sign.to_owned() + &padding(missing) + digits
        }
    }))
}
