//! The tokens of one decode.

use crate::error::{Error, Result};

/// Tokens of any number of sequences, to be decoded together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    capacity: usize,
    pub(super) tokens: Vec<i32>,
    pub(super) positions: Vec<i32>,
    pub(super) sequences: Vec<i32>,
    pub(super) outputs: Vec<i8>,
}

impl Batch {
    /// An empty batch that takes at most `capacity` tokens.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            tokens: Vec::with_capacity(capacity),
            positions: Vec::with_capacity(capacity),
            sequences: Vec::with_capacity(capacity),
            outputs: Vec::with_capacity(capacity),
        }
    }

    /// Adds a token at `position` of `sequence` and returns its row; logits are computed where they are wanted.
    pub fn add(&mut self, token: u32, position: u32, sequence: u32, wants_logits: bool) -> Result<usize> {
        if self.tokens.len() == self.capacity {
            return Err(Error::Resource(format!("the batch is full at {} tokens", self.capacity)));
        }
        let signed = |value: u32, what: &str| {
            i32::try_from(value).map_err(|_| Error::Argument(format!("{what} {value} is out of range")))
        };
        let (token, position) = (signed(token, "token")?, signed(position, "position")?);
        let sequence = signed(sequence, "sequence")?;
        self.tokens.push(token);
        self.positions.push(position);
        self.sequences.push(sequence);
        self.outputs.push(i8::from(wants_logits));
        Ok(self.tokens.len() - 1)
    }

    /// Empties the batch.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The most tokens it takes.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}
