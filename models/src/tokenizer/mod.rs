//! Text to tokens and back: by `tokenizer.json` where there is one, else by a GGUF file's own vocabulary.

mod byte_level;
mod model;
mod stream;

pub use model::Tokenizer;
pub use stream::TokenStream;
