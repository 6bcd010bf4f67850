//! How the tokens of a `tokenizer.json` become text.

use serde::Deserialize;

use crate::tokenizer::byte_level::byte_of;

/// What `tokenizer.json` says of decoding, as far as a token's bytes follow from the token alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoding {
    /// Tokens are runs of bytes in GPT-2's alphabet.
    ByteLevel,
    /// As `SentencePiece` does it: tokens are texts in which something stands for a space, and `<0x0A>` is a byte.
    ByteFallback {
        /// What is replaced, and by what.
        replacements: Vec<(String, String)>,
        /// How many spaces at the beginning are taken away.
        leading_spaces: usize,
    },
    /// A token's text depends on its neighbours.
    InContext,
}

#[derive(Deserialize)]
struct File {
    decoder: Option<Decoder>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Decoder {
    ByteLevel,
    Sequence {
        decoders: Vec<Decoder>,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
    ByteFallback,
    Fuse,
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
enum Pattern {
    String(String),
    Regex(#[expect(dead_code, reason = "such a decoder is left to the crate")] String),
}

impl Decoding {
    /// What a `tokenizer.json` says.
    pub(super) fn read(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<File>(bytes).ok().and_then(|file| file.decoder) {
            Some(Decoder::ByteLevel) => Self::ByteLevel,
            Some(Decoder::Sequence { decoders }) => Self::of_sequence(decoders),
            _ => Self::InContext,
        }
    }

    /// Replacements, bytes, all joined, and perhaps spaces stripped: any other sequence is left to the crate.
    fn of_sequence(decoders: Vec<Decoder>) -> Self {
        let mut decoders = decoders.into_iter().peekable();
        let mut replacements = Vec::new();
        while let Some(Decoder::Replace { pattern: Pattern::String(from), content }) = decoders
            .next_if(|decoder| matches!(decoder, Decoder::Replace { pattern: Pattern::String(_), .. }))
        {
            replacements.push((from, content));
        }
        if !matches!((decoders.next(), decoders.next()), (Some(Decoder::ByteFallback), Some(Decoder::Fuse))) {
            return Self::InContext;
        }
        let leading_spaces = match decoders.next() {
            None => 0,
            Some(Decoder::Strip { content: ' ', start, stop: 0 }) => start,
            Some(_) => return Self::InContext,
        };
        if decoders.next().is_some() {
            return Self::InContext;
        }
        Self::ByteFallback { replacements, leading_spaces }
    }

    /// The bytes of a token, as the vocabulary spells it.
    pub(super) fn bytes(&self, token: String) -> Vec<u8> {
        let Self::ByteFallback { replacements, .. } = self else {
            return token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.into_bytes());
        };
        if let Some(byte) = fallback_byte(&token) {
            return vec![byte];
        }
        let replaced = replacements.iter().fold(token, |token, (from, to)| token.replace(from, to));
        replaced.into_bytes()
    }
}

/// The byte that a token like `<0x0A>` is.
fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(decoder: &str) -> Decoding {
        Decoding::read(format!(r#"{{"model": {{}}, "decoder": {decoder}}}"#).as_bytes())
    }

    #[test]
    fn what_gemma_and_llama_2_say_is_bytes() {
        let replace = r#"{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}"#;
        let sequence = |rest: &str| {
            read(&format!(
                r#"{{"type": "Sequence", "decoders": [{replace}, {{"type": "ByteFallback"}}, {{"type": "Fuse"}}{rest}]}}"#
            ))
        };
        let expected = |leading_spaces| Decoding::ByteFallback {
            replacements: vec![("▁".to_owned(), " ".to_owned())],
            leading_spaces,
        };
        assert_eq!(sequence(""), expected(0));
        assert_eq!(sequence(r#", {"type": "Strip", "content": " ", "start": 1, "stop": 0}"#), expected(1));
        assert_eq!(
            sequence(r#", {"type": "Strip", "content": " ", "start": 1, "stop": 1}"#),
            Decoding::InContext
        );
        assert_eq!(sequence("").bytes("▁a▁".to_owned()), b" a ");
        assert_eq!(sequence("").bytes("<0xF0>".to_owned()), [0xF0]);
        assert_eq!(sequence("").bytes("<0xF>".to_owned()), b"<0xF>");
    }

    #[test]
    fn other_decoders_are_left_to_the_crate() {
        assert_eq!(read(r#"{"type": "WordPiece", "prefix": "x"}"#), Decoding::InContext);
        assert_eq!(read("null"), Decoding::InContext);
        let regex = r#"{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"Regex": "a"}, "content": "b"}, {"type": "ByteFallback"}, {"type": "Fuse"}]}"#;
        assert_eq!(read(regex), Decoding::InContext);
        assert_eq!(
            read(
                r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}"#
            ),
            Decoding::ByteLevel
        );
    }
}
