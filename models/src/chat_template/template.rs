//! Chat templates: Jinja, with the functions and Python methods that templates on the Hub rely on.

mod dates;
mod python;

use std::path::Path;

use minijinja::{Environment, Error as JinjaError, ErrorKind, Value, context, value::Kwargs};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const NAME: &str = "chat";
/// How many instructions a template may take, so that a hostile one ends; real ones take some hundreds a message.
const FUEL: u64 = 10_000_000;

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
        Self { role: role.into(), content: content.into() }
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
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python::method);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", dates::strftime_now);
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
#[expect(clippy::needless_pass_by_value, reason = "the signature that the environment calls")]
fn to_json(value: Value, options: Kwargs) -> std::result::Result<Value, JinjaError> {
    let indent: Option<usize> = options.get("indent").unwrap_or(None);
    let failed = |error: serde_json::Error| {
        JinjaError::new(ErrorKind::BadSerialization, "cannot be written as JSON").with_source(error)
    };
    let mut out = Vec::new();
    if let Some(indent) = indent {
        let spaces = " ".repeat(indent.min(16));
        let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter)).map_err(failed)?;
    } else {
        value
            .serialize(&mut serde_json::Serializer::with_formatter(&mut out, PythonFormatter))
            .map_err(failed)?;
    }
    Ok(Value::from_safe_string(String::from_utf8_lossy(&out).into_owned()))
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
        assert!(matches!(&error, Error::Argument(text) if text.contains("roles must alternate")), "{error}");
    }

    #[test]
    fn a_template_that_would_go_on_for_ever_runs_out_of_fuel() {
        let (begin, end) = ("{% for i in range(99999) %}", "{% endfor %}");
        for (source, expected) in [
            (format!("{}{}", begin.repeat(6), end.repeat(6)), "fuel"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(), "recursion"),
            ("{% for i in range(10 ** 9) %}{% endfor %}".to_owned(), "range has too many elements"),
            ("{{ 'x' * 10 ** 15 }}".to_owned(), "repeated string is too large"),
        ] {
            let error = render(&source, &[]).unwrap_err();
            assert!(matches!(&error, Error::Argument(text) if text.contains(expected)), "{error}");
        }
    }

    #[test]
    fn a_malformed_template_is_refused_with_the_file() {
        let error = render("{% for %}", &[]).unwrap_err();
        assert!(
            error.to_string().starts_with("tokenizer_config.json: has a malformed chat template"),
            "{error}"
        );
    }
}
