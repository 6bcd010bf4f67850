//! The control tokens of a vocabulary, and where a text spells them.

use std::collections::HashMap;

/// One control token.
#[derive(Debug)]
pub(super) struct ControlToken {
    pub(super) spelling: String,
    pub(super) id: u32,
    /// The spaces before it belong to it.
    pub(super) strips_before: bool,
    /// The spaces behind it belong to it.
    pub(super) strips_after: bool,
}

/// The control tokens of a vocabulary: those that structure a prompt and are no text.
#[derive(Debug, Default)]
pub(super) struct ControlTokens {
    /// By their first character; longer ones come first.
    tokens: HashMap<char, Vec<ControlToken>>,
    longest: usize,
}

impl ControlTokens {
    /// Of a vocabulary's control tokens those of several characters: a mark can stand inside them.
    pub(super) fn new(all: impl IntoIterator<Item = ControlToken>) -> Self {
        let mut tokens: HashMap<char, Vec<ControlToken>> = HashMap::new();
        let mut longest = 0;
        for token in all {
            let mut characters = token.spelling.chars();
            if let (Some(first), Some(_)) = (characters.next(), characters.next()) {
                longest = longest.max(token.spelling.len());
                tokens.entry(first).or_default().push(token);
            }
        }
        for tokens in tokens.values_mut() {
            tokens.sort_by(|a, b| b.spelling.len().cmp(&a.spelling.len()).then(a.id.cmp(&b.id)));
        }
        Self { tokens, longest }
    }

    /// The first control token that a text spells, and at which byte.
    pub(super) fn find(&self, text: &str) -> Option<(usize, &ControlToken)> {
        text.char_indices().find_map(|(at, first)| {
            let token = self.beginning_with(first).find(|token| text[at..].starts_with(&token.spelling))?;
            Some((at, token))
        })
    }

    /// Whether a text spells a control token, or ends with what could become one.
    pub(super) fn are_spelled_in(&self, text: &str) -> bool {
        text.char_indices().any(|(at, first)| self.begins(first, &text[at..]))
    }

    /// The text with `mark` inside every control token that it spells, so that it spells none.
    pub(super) fn mark(&self, text: &str, mark: char) -> String {
        let mut marked = String::with_capacity(text.len() + 16);
        for (at, first) in text.char_indices() {
            marked.push(first);
            if self.begins(first, &text[at..]) {
                marked.push(mark);
            }
        }
        marked
    }

    fn begins(&self, first: char, rest: &str) -> bool {
        let may_be_cut = rest.len() < self.longest;
        self.beginning_with(first).any(|token| {
            rest.starts_with(&token.spelling) || (may_be_cut && token.spelling.starts_with(rest))
        })
    }

    fn beginning_with(&self, first: char) -> impl Iterator<Item = &ControlToken> {
        self.tokens.get(&first).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(spellings: &[&str]) -> ControlTokens {
        ControlTokens::new(spellings.iter().zip(0..).map(|(spelling, id)| ControlToken {
            spelling: (*spelling).to_owned(),
            id,
            strips_before: false,
            strips_after: false,
        }))
    }

    #[test]
    fn the_longest_of_the_tokens_at_the_first_position_is_found() {
        let tokens = tokens(&["<s>", "<s>more", "x"]);
        assert_eq!(tokens.find("éx <s>more").map(|(at, token)| (at, token.id)), Some((4, 1)));
        assert_eq!(tokens.find("<s >").map(|(at, token)| (at, token.id)), None);
    }

    #[test]
    fn every_spelling_is_marked_even_where_two_overlap_or_one_is_cut() {
        let tokens = tokens(&["<|a|>", "|>b"]);
        assert_eq!(tokens.mark("é <|a|>b <|", '#'), "é <#|a|#>b <#|#");
        assert!(tokens.find(&tokens.mark("<|a|>b", '#')).is_none());
        assert_eq!(tokens.mark("a < b | c", '#'), "a < b | c");
        assert!(tokens.are_spelled_in("x <|a") && !tokens.are_spelled_in("x <|a "));
    }
}
