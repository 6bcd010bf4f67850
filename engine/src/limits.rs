//! The limits of what a request may ask for. A request is checked against them once, before it waits for a model.

use hyprstream_models::SamplingOptions;

/// Most tokens of an answer when the request does not say.
pub const DEFAULT_MAX_TOKENS: u32 = 256;
/// Most tokens that an answer may have.
pub const MAX_TOKENS: u32 = 1_000_000;
/// Highest temperature.
pub const MAX_TEMPERATURE: f32 = SamplingOptions::MAX_TEMPERATURE;
/// Most stop texts of a request.
pub const MAX_STOP_TEXTS: usize = 16;
/// Most bytes of a stop text.
pub const MAX_STOP_BYTES: usize = 1024;
