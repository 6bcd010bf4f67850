//! The bytes of a recorded answer in the trajectory log.
//!
//! A version byte, the length of a JSON text (u32), the JSON text with everything but the tokens, the number of
//! tokens (u32), their ids (u32 each), their log-probabilities (f32 each). Numbers are little-endian.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::recording::trajectory::{Header, Outcome, TrajectoryRow};

const VERSION: u8 = 1;

#[derive(Serialize)]
struct TextRef<'a> {
    header: &'a Header,
    outcome: &'a Outcome,
}

#[derive(Deserialize)]
struct Text {
    header: Header,
    outcome: Outcome,
}

pub(super) fn encode(header: &Header, outcome: &Outcome) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(&TextRef { header, outcome })
        .map_err(|error| Error::Internal(format!("a trajectory cannot be written as JSON: {error}")))?;
    let tokens = outcome.token_ids.len().min(outcome.logprobs.len());
    let mut bytes = Vec::with_capacity(9 + text.len() + tokens * 8);
    bytes.push(VERSION);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(&text);
    bytes.extend((tokens as u32).to_le_bytes());
    outcome.token_ids[..tokens].iter().for_each(|id| bytes.extend(id.to_le_bytes()));
    outcome.logprobs[..tokens].iter().for_each(|logprob| bytes.extend(logprob.to_le_bytes()));
    Ok(bytes)
}

pub(crate) fn decode(id: u64, bytes: &[u8]) -> Result<TrajectoryRow> {
    read(id, bytes)
        .ok_or_else(|| Error::Corrupt(format!("trajectory {id} is not in a format that this version reads")))
}

fn read(id: u64, bytes: &[u8]) -> Option<TrajectoryRow> {
    let (&version, rest) = bytes.split_first()?;
    if version != VERSION {
        return None;
    }
    let (text, rest) = take_counted(rest, 1)?;
    let Text { header, outcome } = serde_json::from_slice(text).ok()?;
    let (numbers, rest) = take_counted(rest, 8)?;
    if !rest.is_empty() {
        return None;
    }
    let (ids, logprobs) = numbers.split_at(numbers.len() / 2);
    let words = |bytes: &[u8]| {
        bytes.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]).collect::<Vec<_>>()
    };
    let token_ids: Vec<u32> = words(ids).into_iter().map(u32::from_le_bytes).collect();
    Some(TrajectoryRow {
        id,
        created_at: header.created_at,
        conversation: header.conversation,
        model: header.model,
        model_hash: header.model_hash,
        adapter: header.adapter,
        parameters: header.parameters,
        prompt: header.prompt,
        completion: outcome.completion,
        completion_tokens: token_ids.len() as u32,
        token_ids,
        logprobs: words(logprobs).into_iter().map(f32::from_le_bytes).collect(),
        prompt_tokens: header.prompt_tokens,
        time_to_first_token_ms: outcome.time_to_first_token_ms,
        total_ms: outcome.total_ms,
        finish_reason: outcome.finish_reason,
        provenance: header.provenance,
        embedding: None,
    })
}

/// A count (u32), then that many pieces of `size` bytes; and what follows them.
fn take_counted(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let length = (u32::from_le_bytes(*count) as usize).checked_mul(size)?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::recording::trajectory::{Header, Outcome};

    fn sample() -> (Header, Outcome) {
        let header = Header {
            id: 7,
            created_at: 1_700_000_000_000_000,
            conversation: Some("s".to_owned()),
            model: "m".to_owned(),
            model_hash: "00ff".to_owned(),
            adapter: Some("a@2".to_owned()),
            parameters: "{}".to_owned(),
            prompt: "Grüße 🙂".to_owned(),
            prompt_tokens: 5,
            provenance: "p".to_owned(),
        };
        let outcome = Outcome {
            completion: "ja".to_owned(),
            finish_reason: "stop".to_owned(),
            time_to_first_token_ms: 1.5,
            total_ms: 3.25,
            token_ids: vec![1, 70_000, 3],
            logprobs: vec![-0.1, f32::NEG_INFINITY, -1.0e-7],
        };
        (header, outcome)
    }

    #[test]
    fn a_trajectory_reads_back_as_it_was_written() {
        let (header, outcome) = sample();
        let bytes = encode(&header, &outcome).unwrap();
        // The name of the field in every log that was ever written.
        assert!(String::from_utf8_lossy(&bytes).contains("\"session\":\"s\""));
        let row = decode(7, &bytes).unwrap();
        assert_eq!(row.conversation.as_deref(), Some("s"));
        assert_eq!(row.prompt, "Grüße 🙂");
        assert_eq!(row.token_ids, [1, 70_000, 3]);
        assert_eq!(row.logprobs, [-0.1, f32::NEG_INFINITY, -1.0e-7]);
        assert_eq!((row.id, row.completion_tokens, row.total_ms), (7, 3, 3.25));
        assert_eq!(row.adapter.as_deref(), Some("a@2"));
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        let (header, outcome) = sample();
        let bytes = encode(&header, &outcome).unwrap();
        for length in 0..bytes.len() {
            assert!(decode(7, &bytes[..length]).is_err());
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0xff;
            let _ = decode(7, &damaged);
        }
    }
}
