//! `tojson`, as Python's `json.dumps` writes it.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error as JinjaError, ErrorKind, Value};

use crate::chat_template::python::finite_number;

/// How deep lists and dictionaries may lie in each other.
const DEEPEST: usize = 128;
/// The widest indentation of a level.
const WIDEST: usize = 64;

/// `value|tojson(ensure_ascii, indent, separators, sort_keys)`, whose defaults are those of transformers.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
pub(super) fn to_json(
    value: Value,
    ensure_ascii: Option<Value>,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<Value, JinjaError> {
    let option = |given: Option<Value>, name: &str| match given {
        Some(given) => Ok(Some(given)),
        None if options.has(name) => options.get::<Value>(name).map(Some),
        None => Ok(None),
    };
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let indent = indentation(option(indent, "indent")?)?;
    let separators = option(None, "separators")?.filter(|separators| !separators.is_none());
    let (between, behind_key) = match separators {
        None => ((if indent.is_some() { "," } else { ", " }).to_owned(), ": ".to_owned()),
        Some(separators) => separator_pair(&separators)?,
    };
    let mut writer = Writer {
        out: String::new(),
        ensure_ascii: is_true(option(ensure_ascii, "ensure_ascii")?),
        sort_keys: is_true(option(None, "sort_keys")?),
        indent,
        between,
        behind_key,
    };
    options.assert_all_used()?;
    writer.value(&value, 0)?;
    Ok(Value::from(writer.out))
}

fn refused(reason: &'static str) -> JinjaError {
    JinjaError::new(ErrorKind::InvalidOperation, reason)
}

fn indentation(indent: Option<Value>) -> Result<Option<String>, JinjaError> {
    let Some(indent) = indent.filter(|indent| !indent.is_none()) else {
        return Ok(None);
    };
    let level = match indent.as_str() {
        Some(text) => text.to_owned(),
        None => {
            " ".repeat(usize::try_from(i64::try_from(indent)?.max(0)).unwrap_or(usize::MAX).min(WIDEST + 1))
        }
    };
    if level.len() > WIDEST { Err(refused("an indentation of more than 64")) } else { Ok(Some(level)) }
}

fn separator_pair(separators: &Value) -> Result<(String, String), JinjaError> {
    let texts: Vec<Value> = separators.try_iter()?.take(3).collect();
    match texts.as_slice() {
        [between, behind_key] => Ok((between.to_string(), behind_key.to_string())),
        _ => Err(refused("separators are two texts")),
    }
}

struct Writer {
    out: String,
    ensure_ascii: bool,
    sort_keys: bool,
    /// What a level is indented by, where each value has a line of its own.
    indent: Option<String>,
    between: String,
    behind_key: String,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), JinjaError> {
        if depth > DEEPEST {
            return Err(refused("lists and dictionaries lie too deep in each other for JSON"));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item));
                self.items(['[', ']'], items, depth)?;
            }
            ValueKind::Map => {
                let keys = value.try_iter()?.map(|key| Ok((key_text(&key)?, key)));
                let mut keys = keys.collect::<Result<Vec<_>, JinjaError>>()?;
                if self.sort_keys {
                    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                let items = keys.into_iter().map(|(text, key)| Ok((Some(text), value.get_item(&key)?)));
                let items = items.collect::<Result<Vec<_>, JinjaError>>()?;
                self.items(['{', '}'], items.into_iter(), depth)?;
            }
            _ => return Err(refused("an undefined value cannot be written as JSON")),
        }
        Ok(())
    }

    fn items(
        &mut self,
        [open, close]: [char; 2],
        items: impl Iterator<Item = (Option<String>, Value)>,
        depth: usize,
    ) -> Result<(), JinjaError> {
        self.out.push(open);
        let mut is_empty = true;
        for (key, item) in items {
            if !is_empty {
                self.out.push_str(&self.between);
            }
            is_empty = false;
            self.new_line(depth + 1);
            if let Some(key) = key {
                self.text(&key);
                self.out.push_str(&self.behind_key);
            }
            self.value(&item, depth + 1)?;
        }
        if !is_empty {
            self.new_line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                ' '..='~' => self.out.push(character),
                _ if character >= ' ' && !self.ensure_ascii => self.out.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing into a text cannot fail.
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.out.push('"');
    }
}

fn key_text(key: &Value) -> Result<String, JinjaError> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number => Ok(number(key)),
        ValueKind::Bool => Ok((if key.is_true() { "true" } else { "false" }).to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        _ => Err(refused("such a key cannot be written as JSON")),
    }
}

/// A number as Python writes it.
fn number(value: &Value) -> String {
    let Some(float) = (if value.is_integer() { None } else { f64::try_from(value.clone()).ok() }) else {
        return value.to_string();
    };
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return (if float > 0.0 { "Infinity" } else { "-Infinity" }).to_owned();
    }
    finite_number(float)
}
