//! Text to tokens and back: by `tokenizer.json` where there is one, else by a GGUF file's own vocabulary.

mod byte_level;
mod control_tokens;
mod decoding;
mod model;
mod stream;
mod user_text;

pub use model::Tokenizer;
pub use stream::TokenStream;
