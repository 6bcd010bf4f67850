//! Text from tokens as they are generated.

use crate::error::Result;
use crate::tokenizer::model::Tokenizer;

impl Tokenizer {
    /// Decodes tokens one after another; special tokens are left out.
    pub fn stream(&self) -> TokenStream<'_> {
        TokenStream {
            tokenizer: self,
            spaces: self.leading_spaces(),
            bytes: Vec::new(),
            ids: Vec::new(),
            prefix: 0,
            read: 0,
        }
    }
}

/// Text from tokens as they come, never a broken character.
#[derive(Debug)]
pub struct TokenStream<'a> {
    tokenizer: &'a Tokenizer,
    /// How many spaces may still be taken away at the beginning.
    spaces: usize,
    /// Bytes that do not yet end a character.
    bytes: Vec<u8>,
    /// Where tokens are not bytes: the tokens that still influence the next text.
    ids: Vec<u32>,
    prefix: usize,
    read: usize,
}

impl TokenStream<'_> {
    /// Takes a token and returns the text that it completes, which may be empty.
    pub fn push(&mut self, id: u32) -> Result<String> {
        if self.tokenizer.decodes_in_context() {
            return self.push_by_context(id);
        }
        self.bytes.extend(self.tokenizer.piece(id, true));
        while self.spaces > 0 && !self.bytes.is_empty() {
            if self.bytes.first() == Some(&b' ') {
                self.bytes.remove(0);
                self.spaces -= 1;
            } else {
                self.spaces = 0;
            }
        }
        Ok(self.complete())
    }

    /// What is left at the end: a character that never became whole is U+FFFD.
    pub fn finish(mut self) -> Result<String> {
        if self.tokenizer.decodes_in_context() {
            return self.held();
        }
        let mut text = self.complete();
        if !self.bytes.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Ok(text)
    }

    /// What is left where the tokens were cut off: a character that is not yet whole is left out.
    pub fn cut_off(mut self) -> Result<String> {
        if self.tokenizer.decodes_in_context() {
            let held = self.held()?;
            return Ok(held.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned());
        }
        Ok(self.complete())
    }

    /// Where tokens are not bytes: the text that more tokens could still change.
    fn held(&self) -> Result<String> {
        let known = self.tokenizer.decode(&self.ids[self.prefix..self.read], true)?;
        let all = self.tokenizer.decode(&self.ids[self.prefix..], true)?;
        Ok(all.get(known.len()..).unwrap_or_default().to_owned())
    }

    /// Everything up to the last whole character; what can never become one is U+FFFD.
    fn complete(&mut self) -> String {
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.bytes.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.bytes[..valid]));
                    let Some(length) = error.error_len() else {
                        self.bytes.drain(..valid);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..valid + length);
                }
            }
        }
    }

    /// Where a token's text depends on its neighbours, compares the text with and without it.
    fn push_by_context(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let known = self.tokenizer.decode(&self.ids[self.prefix..self.read], true)?;
        let all = self.tokenizer.decode(&self.ids[self.prefix..], true)?;
        if all.len() <= known.len() || all.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        self.prefix = self.read;
        self.read = self.ids.len();
        Ok(all.get(known.len()..).unwrap_or_default().to_owned())
    }
}
