//! Text from users is text: what it spells is never a control token.
//!
//! A character that no message contains, the mark, is put inside every control token that a message spells. The
//! control tokens of the rendered conversation are then those that the template wrote, and the mark is taken away
//! before anything else is tokenised. A conversation that spells none is rendered and tokenised as it is.

use std::collections::HashSet;

use crate::chat_template::{ChatMessage, ChatTemplate};
use crate::error::{Error, Result};
use crate::tokenizer::model::Tokenizer;

impl Tokenizer {
    /// The tokens of a user's text: the control tokens that it spells are text like any other. With `add_special`
    /// those that the model wants around every text are added.
    pub fn encode_text(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        if !self.spells_control_tokens(text)? {
            return self.encode(text, add_special);
        }
        let mark = absent_character([text])?;
        self.encode_marked(&self.control_tokens().mark(text, mark), mark, add_special)
    }

    /// The tokens of a conversation as a template writes it; the control tokens among them are the template's own.
    pub fn encode_conversation(
        &self,
        template: &ChatTemplate,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>> {
        let mut spells = false;
        for message in messages {
            spells = spells || self.spells_control_tokens(&message.content)?;
        }
        if !spells {
            return self.encode(&template.render(messages, add_generation_prompt)?, false);
        }
        let contents = messages.iter().map(|message| message.content.as_str());
        let mark = absent_character(contents.chain([template.source()]))?;
        let control_tokens = self.control_tokens();
        let marked: Vec<ChatMessage> = messages
            .iter()
            .map(|message| ChatMessage::new(&message.role, control_tokens.mark(&message.content, mark)))
            .collect();
        self.encode_marked(&template.render(&marked, add_generation_prompt)?, mark, false)
    }
}

/// A character that none of the texts contains: one of those that Unicode keeps for a program's own use.
fn absent_character<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<char> {
    let own = || ('\u{fdd0}'..='\u{fdef}').chain('\u{f0000}'..='\u{ffffd}');
    let used: HashSet<char> =
        texts.into_iter().flat_map(str::chars).filter(|character| *character >= '\u{fdd0}').collect();
    own()
        .find(|character| !used.contains(character))
        .ok_or_else(|| Error::Argument("the messages use every private character of Unicode".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_a_character_that_no_text_has() {
        assert_eq!(absent_character(["a", "ü"]).unwrap(), '\u{fdd0}');
        let all: String = ('\u{fdd0}'..='\u{fdef}').collect();
        assert_eq!(absent_character([all.as_str()]).unwrap(), '\u{f0000}');
        assert_eq!(absent_character([all.as_str(), "\u{f0000}"]).unwrap(), '\u{f0001}');
    }
}
