//! Chat templates: Jinja, with the functions and Python methods that templates on the Hub rely on.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use minijinja::{
    Environment, Error as JinjaError, ErrorKind, State, Value, context,
    value::{Kwargs, ValueKind, from_args},
};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const NAME: &str = "chat";

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl ChatMessage {
    /// A message of a role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// A model's way of writing a conversation as one text.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// Parses a template; `file` is named in errors.
    pub fn try_new(source: &str, bos_token: &str, eos_token: &str, file: &Path) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(true);
        environment.set_recursion_limit(100);
        environment.set_unknown_method_callback(python_method);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| Error::invalid(file, format!("has a malformed chat template: {error}")))?;
        Ok(Self {
            environment,
            source: source.to_owned(),
            bos_token: bos_token.to_owned(),
            eos_token: eos_token.to_owned(),
        })
    }

    /// Writes a conversation, and with `add_generation_prompt` the beginning of the assistant's next turn.
    pub fn render(&self, messages: &[ChatMessage], add_generation_prompt: bool) -> Result<String> {
        self.environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context! {
                    messages,
                    add_generation_prompt,
                    bos_token => self.bos_token,
                    eos_token => self.eos_token,
                })
            })
            .map_err(|error| {
                Error::Argument(format!("the model's chat template refused the messages: {error}"))
            })
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn raise_exception(message: String) -> std::result::Result<Value, JinjaError> {
    Err(JinjaError::new(ErrorKind::InvalidOperation, message))
}

/// `value|tojson`, spaced as Python's `json.dumps` does.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the environment calls"
)]
fn to_json(value: Value, options: Kwargs) -> std::result::Result<Value, JinjaError> {
    let indent: Option<usize> = options.get("indent").unwrap_or(None);
    let failed = |error: serde_json::Error| {
        JinjaError::new(ErrorKind::BadSerialization, "cannot be written as JSON").with_source(error)
    };
    let mut out = Vec::new();
    if let Some(indent) = indent {
        let spaces = " ".repeat(indent.min(16));
        let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
        value
            .serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))
            .map_err(failed)?;
    } else {
        value
            .serialize(&mut serde_json::Serializer::with_formatter(
                &mut out,
                PythonFormatter,
            ))
            .map_err(failed)?;
    }
    Ok(Value::from_safe_string(
        String::from_utf8_lossy(&out).into_owned(),
    ))
}

struct PythonFormatter;

impl serde_json::ser::Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// Today's date and the time, in UTC, by the directives that templates use.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the environment calls"
)]
fn strftime_now(format: String) -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    strftime(&format, seconds)
}

fn strftime(format: &str, seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = [
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
    ];
    let days = seconds / 86_400;
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[(days % 7) as usize];
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let part = match letters.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('B') => month_name.to_owned(),
            Some('b') => month_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('H') => format!("{hour:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('%') | None => "%".to_owned(),
            Some(other) => format!("%{other}"),
        };
        text.push_str(&part);
    }
    text
}

/// Year, month and day of a number of days since 1970, after Hinnant's `civil_from_days`.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The methods of Python's strings and dictionaries that templates call.
fn python_method(
    _state: &State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> std::result::Result<Value, JinjaError> {
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

fn string_method(text: &str, method: &str, args: &[Value]) -> std::result::Result<Value, JinjaError> {
    let stripped = |left: bool, right: bool| -> std::result::Result<Value, JinjaError> {
        let (set,): (Option<&str>,) = from_args(args)?;
        let matches = |letter: char| set.map_or(letter.is_whitespace(), |set| set.contains(letter));
        let text = if left {
            text.trim_start_matches(matches)
        } else {
            text
        };
        Ok(Value::from(if right {
            text.trim_end_matches(matches)
        } else {
            text
        }))
    };
    Ok(match method {
        "strip" => return stripped(true, true),
        "lstrip" => return stripped(true, false),
        "rstrip" => return stripped(false, true),
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "capitalize" => {
            let mut letters = text.chars();
            let first = letters
                .next()
                .map(|letter| letter.to_uppercase().collect::<String>());
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

fn affixes(args: &[Value]) -> std::result::Result<Vec<String>, JinjaError> {
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

fn map_method(map: &Value, method: &str, args: &[Value]) -> std::result::Result<Value, JinjaError> {
    let keys = || -> std::result::Result<Vec<Value>, JinjaError> { Ok(map.try_iter()?.collect()) };
    Ok(match method {
        "keys" => Value::from(keys()?),
        "values" => Value::from(
            keys()?
                .iter()
                .map(|key| map.get_item(key))
                .collect::<std::result::Result<Vec<_>, _>>()?,
        ),
        "items" => {
            let pair = |key: Value| map.get_item(&key).map(|value| Value::from(vec![key, value]));
            Value::from(
                keys()?
                    .into_iter()
                    .map(pair)
                    .collect::<std::result::Result<Vec<_>, _>>()?,
            )
        }
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = map.get_item(&key)?;
            if found.is_undefined() {
                default.unwrap_or(Value::from(()))
            } else {
                found
            }
        }
        _ => return Err(unknown(method)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[ChatMessage]) -> Result<String> {
        ChatTemplate::try_new(source, "<s>", "</s>", Path::new("tokenizer_config.json"))?
            .render(messages, true)
    }

    #[test]
    fn a_chatml_template_is_rendered_as_transformers_does() {
        let source = "{% for m in messages %}\n    {%- if m.role == 'system' %}S:{{ m['content'] | trim }}\n    {% else %}\n<|im_start|>{{ m.role }}\n{{ m.content.strip() }}<|im_end|>\n    {% endif %}\n{% endfor %}\n{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
        let text = render(source, &[ChatMessage::new("user", "  hello ")]).unwrap();
        assert_eq!(text, "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n");
    }

    #[test]
    fn python_methods_answer_as_in_python() {
        let source = "{{ 'a</think>\n\nb'.split('</think>')[-1].lstrip('\n') }}|{{ 1 if 'abc'.startswith('ab') else 0 }}|{{ {'x': 1}.get('y', 2) }}|{% for k, v in {'x': 1}.items() %}{{ k }}{{ v }}{% endfor %}|{{ 'aXbX'.replace('X', '-') }}|{{ 'hello world'.title() }}|{{ [messages[0].content, 1] | tojson }}";
        assert_eq!(
            render(source, &[ChatMessage::new("user", "\"é\"")]).unwrap(),
            "b|1|2|x1|a-b-|Hello World|[\"\\\"é\\\"\", 1]"
        );
    }

    #[test]
    fn a_raised_exception_is_the_callers_error_with_its_message() {
        let error = render("{{ raise_exception('roles must alternate') }}", &[]).unwrap_err();
        assert!(
            matches!(&error, Error::Argument(text) if text.contains("roles must alternate")),
            "{error}"
        );
    }

    #[test]
    fn a_malformed_template_is_refused_with_the_file() {
        let error = render("{% for %}", &[]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("tokenizer_config.json: has a malformed chat template"),
            "{error}"
        );
    }

    #[test]
    fn dates_are_written_by_their_directives() {
        assert_eq!(
            strftime("%d %b %Y, %A %H:%M:%S", 951_782_399),
            "28 Feb 2000, Monday 23:59:59"
        );
        assert_eq!(
            strftime("%Y-%m-%d %a %B 100%%", 951_782_400),
            "2000-02-29 Tue February 100%"
        );
    }
}
