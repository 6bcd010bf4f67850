//! A template that is rendered with the messages of a conversation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use minijinja::{Environment, Error as JinjaError, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};

use crate::chat_template::dates::strftime_now;
use crate::chat_template::dialect::translate;
use crate::chat_template::filters::add_filters;
use crate::chat_template::json::to_json;
use crate::chat_template::python::{self, write_value};
use crate::error::{Error, Result};

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
        // What is dropped is dropped when the source is translated.
        environment.set_keep_trailing_newline(true);
        environment.set_recursion_limit(100);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python::method);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", to_json);
        environment.set_formatter(write_value);
        add_filters(&mut environment);
        environment
            .add_template_owned(NAME, translate(source))
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
        let render = || {
            self.environment.get_template(NAME)?.render(context! {
                messages,
                add_generation_prompt,
                tools => (),
                documents => (),
                bos_token => self.bos_token,
                eos_token => self.eos_token,
            })
        };
        // Filters of the library index and unwrap on some arguments.
        catch_unwind(AssertUnwindSafe(render))
            .map_err(|_| Error::Argument("the model's chat template failed inside".to_owned()))?
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
    fn the_empty_text_is_counted_and_positions_are_of_characters() {
        let source = "{{ 'abc'.count('') }}|{{ 'é-'.find('-') }}|{{ ''.isdigit() }}|{{ '12'.isdigit() }}";
        assert_eq!(render(source, &[]).unwrap(), "4|1|False|True");
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
    fn a_template_cannot_ask_for_more_than_memory_holds() {
        for source in [
            "{{ 'x'.zfill(10 ** 9) }}",
            "{{ 'x'.center(10 ** 15) }}",
            "{{ '{:1000000000}'.format('x') }}",
            "{{ '{:}>1000000000}'.format('x') }}",
            "{{ '{:.99999f}'.format(1.5) }}",
            "{{ '%1000000000s' % 'x' }}",
            "{{ '%1000000000d' | format(1) }}",
            "{{ ('x' * 10 ** 6).replace('x', 'y' * 10 ** 6) }}",
            "{{ ('x' * 10 ** 6) | replace('', 'y' * 10 ** 6) }}",
            "{{ ('x' * 10 ** 7).join(range(9) | map('string')) }}",
            "{{ 'a\n' | indent(10 ** 9) }}",
            "{{ [1] | batch(10 ** 12) | list }}",
            "{{ [1] | slice(10 ** 12) | list }}",
            "{{ [[1]] | tojson(indent=10 ** 9) }}",
            "{{ ([0] * 10 ** 12)[1:] }}",
        ] {
            let error = render(source, &[]).unwrap_err();
            assert!(matches!(&error, Error::Argument(_)), "{source}: {error}");
        }
    }

    #[test]
    fn a_value_that_nests_without_end_is_not_printed() {
        let nest =
            "{% set ns = namespace(x=1) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}";
        for print in ["{{ ns.x }}", "{{ ns.x | tojson }}"] {
            let error = render(&format!("{nest}{print}"), &[]).unwrap_err();
            assert!(matches!(&error, Error::Argument(text) if text.contains("too deep")), "{error}");
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
