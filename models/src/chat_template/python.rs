//! Python's methods on strings and dictionaries, which templates call.

use minijinja::{
    Error as JinjaError, ErrorKind, State, Value,
    value::{ValueKind, from_args},
};

type Result<T, E = JinjaError> = std::result::Result<T, E>;

/// The methods of Python's strings and dictionaries that templates call.
pub(super) fn method(_state: &State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            string_method(text, method, args)
        }
        ValueKind::Map => map_method(value, method, args),
        _ => Err(unknown(method)),
    }
}

fn unknown(method: &str) -> JinjaError {
    JinjaError::new(ErrorKind::UnknownMethod, format!("no method `{method}`"))
}

fn string_method(text: &str, method: &str, args: &[Value]) -> Result<Value> {
    let stripped = |left: bool, right: bool| -> Result<Value> {
        let (set,): (Option<&str>,) = from_args(args)?;
        let matches = |letter: char| set.map_or(letter.is_whitespace(), |set| set.contains(letter));
        let text = if left { text.trim_start_matches(matches) } else { text };
        Ok(Value::from(if right { text.trim_end_matches(matches) } else { text }))
    };
    Ok(match method {
        "strip" => return stripped(true, true),
        "lstrip" => return stripped(true, false),
        "rstrip" => return stripped(false, true),
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "capitalize" => {
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>());
            Value::from(first.unwrap_or_default() + &letters.as_str().to_lowercase())
        }
        "title" => Value::from(title(text)),
        "startswith" => Value::from(affixes(args)?.iter().any(|prefix| text.starts_with(prefix))),
        "endswith" => Value::from(affixes(args)?.iter().any(|suffix| text.ends_with(suffix))),
        "replace" => {
            let (from, to, count): (&str, &str, Option<usize>) = from_args(args)?;
            Value::from(match count {
                Some(count) => text.replacen(from, to, count),
                None => text.replace(from, to),
            })
        }
        "split" => {
            let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
            let limit = limit.and_then(|limit| usize::try_from(limit).ok());
            Value::from(split(text, separator, limit))
        }
        "splitlines" => Value::from(text.lines().map(str::to_owned).collect::<Vec<_>>()),
        "find" => {
            let (part,): (&str,) = from_args(args)?;
            let at = text.find(part).map_or(-1, |at| text[..at].chars().count() as i64);
            Value::from(at)
        }
        "count" => {
            let (part,): (&str,) = from_args(args)?;
            Value::from(text.matches(part).count())
        }
        "isdigit" => Value::from(!text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit())),
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            let items: Vec<String> = items.try_iter()?.map(|item| item.to_string()).collect();
            Value::from(items.join(text))
        }
        _ => return Err(unknown(method)),
    })
}

fn affixes(args: &[Value]) -> Result<Vec<String>> {
    let (affix,): (Value,) = from_args(args)?;
    if let Some(text) = affix.as_str() {
        return Ok(vec![text.to_owned()]);
    }
    Ok(affix.try_iter()?.map(|item| item.to_string()).collect())
}

fn title(text: &str) -> String {
    let mut inside = false;
    let mut titled = String::with_capacity(text.len());
    for letter in text.chars() {
        if inside {
            titled.extend(letter.to_lowercase());
        } else {
            titled.extend(letter.to_uppercase());
        }
        inside = letter.is_alphabetic();
    }
    titled
}

fn split(text: &str, separator: Option<&str>, limit: Option<usize>) -> Vec<String> {
    let owned = |part: &str| part.to_owned();
    match (separator.filter(|separator| !separator.is_empty()), limit) {
        (None, None) => text.split_whitespace().map(owned).collect(),
        (None, Some(limit)) => text
            .trim_start()
            .splitn(limit + 1, char::is_whitespace)
            .map(|part| part.trim_start().to_owned())
            .collect(),
        (Some(separator), None) => text.split(separator).map(owned).collect(),
        (Some(separator), Some(limit)) => text.splitn(limit + 1, separator).map(owned).collect(),
    }
}

fn map_method(map: &Value, method: &str, args: &[Value]) -> Result<Value> {
    let keys = || -> Result<Vec<Value>> { Ok(map.try_iter()?.collect()) };
    Ok(match method {
        "keys" => Value::from(keys()?),
        "values" => Value::from(keys()?.iter().map(|key| map.get_item(key)).collect::<Result<Vec<_>, _>>()?),
        "items" => {
            let pair = |key: Value| map.get_item(&key).map(|value| Value::from(vec![key, value]));
            Value::from(keys()?.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?)
        }
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = map.get_item(&key)?;
            if found.is_undefined() { default.unwrap_or(Value::from(())) } else { found }
        }
        _ => return Err(unknown(method)),
    })
}
