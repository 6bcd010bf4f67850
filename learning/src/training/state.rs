//! The bytes of a trainer that was stopped between two steps: parameters, moments, position.
//!
//! Layout, little-endian: the magic, the run's fingerprint (32 bytes), the completed steps (u64), the number
//! of tensors (u64), then for each tensor its length (u64) and three times that many f32 (parameter, first and
//! second moment), the mask of a sparse run (nothing for the others), and the SHA-256 of all of it.

use hyprstream_models::ContentHash;

use crate::error::{Error, Result};
use crate::optimiser::AdamW;

const MAGIC: &[u8; 8] = b"HYPTRAI1";
const HASH: usize = 32;

/// What a saved run continues from.
#[derive(Clone, Debug)]
pub struct SavedRun {
    /// Steps that were made.
    pub steps: usize,
    /// What is trained, a tensor each.
    pub parameters: Vec<Vec<f32>>,
    /// Their moments.
    pub adam: AdamW,
    /// The mask of a sparse run; empty for the others.
    pub mask: Vec<u8>,
}

impl SavedRun {
    /// Writes a run of this fingerprint, from parts that are still in use.
    pub fn encode(
        fingerprint: &ContentHash,
        steps: usize,
        parameters: &[&[f32]],
        adam: &AdamW,
        mask: &[u8],
    ) -> Vec<u8> {
        let numbers: usize = parameters.iter().map(|tensor| tensor.len()).sum();
        let mut bytes = Vec::with_capacity(numbers * 12 + parameters.len() * 8 + 96);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(fingerprint.as_bytes());
        bytes.extend_from_slice(&(steps as u64).to_le_bytes());
        bytes.extend_from_slice(&(parameters.len() as u64).to_le_bytes());
        for ((parameter, first), second) in parameters.iter().zip(&adam.first).zip(&adam.second) {
            bytes.extend_from_slice(&(parameter.len() as u64).to_le_bytes());
            for values in [*parameter, first, second] {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        bytes.extend_from_slice(mask);
        let hash = ContentHash::of(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// Reads a run back; `lengths` are those of the tensors of the run that continues.
    pub fn decode(bytes: &[u8], fingerprint: &ContentHash, lengths: &[usize]) -> Result<Self> {
        let damaged = || Error::State("it is truncated or damaged".to_owned());
        let split = bytes.len().checked_sub(HASH).ok_or_else(damaged)?;
        let (content, hash) = bytes.split_at(split);
        if ContentHash::of(content).as_bytes() != hash {
            return Err(damaged());
        }
        let mut rest = content;
        let mut next = |len: usize| -> Result<&[u8]> {
            let (head, tail) = rest.split_at_checked(len).ok_or_else(damaged)?;
            rest = tail;
            Ok(head)
        };
        if next(MAGIC.len())? != MAGIC {
            return Err(Error::State("it is of another version".to_owned()));
        }
        if next(HASH)? != fingerprint.as_bytes() {
            return Err(Error::State(
                "it belongs to a run with another model, options or examples".to_owned(),
            ));
        }
        let steps = number(next(8)?);
        if number(next(8)?) != lengths.len() {
            return Err(damaged());
        }
        let mut parameters = Vec::new();
        let mut adam = AdamW { first: Vec::new(), second: Vec::new() };
        for &len in lengths {
            if number(next(8)?) != len {
                return Err(damaged());
            }
            parameters.push(floats(next(len * 4)?));
            adam.first.push(floats(next(len * 4)?));
            adam.second.push(floats(next(len * 4)?));
        }
        Ok(Self { steps, parameters, adam, mask: rest.to_vec() })
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}
