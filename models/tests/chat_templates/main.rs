//! Chat templates are rendered as transformers renders them.
//!
//! The expected texts were made with Jinja2 3.1 as transformers sets it up: `ImmutableSandboxedEnvironment` with
//! `trim_blocks`, `lstrip_blocks` and loop controls, a `generation` block, `tools` and `documents` None, and
//! `tojson` as `json.dumps` without `ensure_ascii`. The templates use what the families' own use; they are not
//! copies.

mod expressions;
mod families;

use hyprstream_models::{ChatMessage, ChatTemplate};

use expressions::EXPRESSIONS;
use families::{FAMILIES, Family};

fn rendered(
    source: &str,
    special: [&str; 2],
    messages: &[ChatMessage],
    add_generation_prompt: bool,
) -> String {
    ChatTemplate::try_new(source, special[0], special[1], "chat_template.jinja".as_ref())
        .and_then(|template| template.render(messages, add_generation_prompt))
        .unwrap_or_else(|error| format!("{error}"))
}

#[test]
fn the_templates_of_the_families_give_the_prompts_that_their_models_know() {
    let conversation = [
        ChatMessage::new("system", "Be brief."),
        ChatMessage::new("user", " Is 3 > 2? "),
        ChatMessage::new("assistant", "<think>\nHm.\n</think>\n\nYes."),
        ChatMessage::new("user", "Und 'é'?\n"),
    ];
    for Family { name, template, special, has_system, conversation: expected, prompt } in FAMILIES {
        let messages = if has_system { &conversation[..] } else { &conversation[1..] };
        assert_eq!(rendered(template, special, messages, false), expected, "{name}");
        assert_eq!(rendered(template, special, messages, true), prompt, "{name}, with a generation prompt");
    }
}

#[test]
fn families_without_a_system_role_refuse_a_system_message() {
    let messages = [ChatMessage::new("system", "Be brief."), ChatMessage::new("user", "Hi")];
    for family in FAMILIES.iter().filter(|family| !family.has_system) {
        let answer = rendered(family.template, family.special, &messages, true);
        assert!(
            answer.starts_with("the model's chat template refused the messages"),
            "{}: {answer}",
            family.name
        );
    }
}

#[test]
fn expressions_answer_as_in_python() {
    let messages =
        [ChatMessage::new("user", "  Hello World, 42!  "), ChatMessage::new("assistant", "Ok > & 'é'")];
    let wrong: Vec<String> = EXPRESSIONS
        .iter()
        .map(|(source, expected)| (source, rendered(source, ["<s>", "</s>"], &messages, true), expected))
        .filter(|(_, answer, expected)| answer != *expected)
        .map(|(source, answer, expected)| format!("{source}\n  is      {answer:?}\n  and not {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
