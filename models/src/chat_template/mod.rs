//! Chat templates: Jinja, with the functions and Python methods that templates on the Hub rely on.

mod dates;
mod dialect;
mod expression;
mod filters;
mod json;
mod python;
mod template;

pub use template::{ChatMessage, ChatTemplate};
