//! The corpus: a stream of samples, written by a generator a task as training asks for them.

mod mixture;
mod phrasings;
mod sample;
pub mod tasks;
mod typing;
mod words;

pub use mixture::{Mixture, Task, mixed};
pub(crate) use phrasings::Phrasings;
pub use sample::{Sample, Split};
pub(crate) use typing::upper_first;
