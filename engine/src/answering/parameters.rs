//! The parameters of an answer: checked, completed, and named in its provenance.

use hyprstream_models::SamplingOptions;
use sha2::{Digest, Sha256};

use crate::clock::now_micros;
use crate::error::{Error, Result};
use crate::json::to_json;
use crate::limits::{MAX_STOP_BYTES, MAX_STOP_TEXTS, MAX_TOKENS};
use crate::models::runtime::{NamedStack, Runtime};
use crate::requests::generate::GenerateRequest;

/// Refuses parameters that no answer can be made with.
pub(super) fn check(request: &GenerateRequest) -> Result<()> {
    if request.max_tokens == 0 || request.max_tokens > MAX_TOKENS {
        let reason = format!("it must be between 1 and {MAX_TOKENS}");
        return Err(Error::argument("max_tokens", request.max_tokens, reason));
    }
    if let Some(refused) = request.sampling.out_of_range() {
        return Err(Error::argument(refused.name, refused.value, refused.to_string()));
    }
    if request.stop.len() > MAX_STOP_TEXTS {
        return Err(Error::argument(
            "stop",
            format!("of {} texts", request.stop.len()),
            format!("at most {MAX_STOP_TEXTS} are possible"),
        ));
    }
    match request.stop.iter().find(|stop| stop.is_empty() || stop.len() > MAX_STOP_BYTES) {
        Some(stop) => {
            let reason = format!("a stop text has 1 to {MAX_STOP_BYTES} bytes");
            Err(Error::argument("stop", format!("of {} bytes", stop.len()), reason))
        }
        None => Ok(()),
    }
}

/// The same options, with a seed wherever the answer depends on chance, so that it can be repeated.
pub(super) fn seeded(sampling: &SamplingOptions) -> SamplingOptions {
    let mut sampling = sampling.clone();
    if sampling.temperature > 0.0 && sampling.seed.is_none() {
        // The standard library's hasher keys are random; 53 bits survive any JSON reader.
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now_micros());
        sampling.seed = Some(random >> 11);
    }
    sampling
}

/// The parameters that decide the answer besides model, adapters and prompt, as JSON.
pub(super) fn parameters(request: &GenerateRequest, sampling: &SamplingOptions) -> Result<String> {
    let value = serde_json::json!({
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "seed": sampling.seed,
        "stop": request.stop,
        "system": request.system,
        "raw": request.raw,
    });
    Ok(String::from_utf8_lossy(&to_json(&value)?).into_owned())
}

/// Names what an answer comes from: the model, the types of numbers it computes with, the adapters with their scales, the
/// parameters and the tokens sent.
pub(super) fn provenance(runtime: &Runtime, stack: &NamedStack, parameters: &str, prompt: &[u32]) -> String {
    let mut hash = Sha256::new();
    hash.update(runtime.hash.as_bytes());
    hash.update((runtime.arithmetic.len() as u64).to_le_bytes());
    hash.update(&runtime.arithmetic);
    hash.update((stack.stack.key.len() as u64).to_le_bytes());
    for (adapter, scale) in &stack.stack.key {
        hash.update(adapter);
        hash.update(scale.to_le_bytes());
    }
    hash.update((parameters.len() as u64).to_le_bytes());
    hash.update(parameters);
    for token in prompt {
        hash.update(token.to_le_bytes());
    }
    hex::encode(hash.finalize())
}
