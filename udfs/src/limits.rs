//! The limits of the parameters of a generation.

/// The most tokens that one generation may produce.
pub const MAX_TOKENS: u32 = 1_000_000;

/// The highest temperature that tokens are drawn at.
pub const MAX_TEMPERATURE: f32 = 10.0;

/// How many texts may stop one generation.
pub const MAX_STOP_TEXTS: usize = 16;

/// The longest text that may stop a generation, in bytes.
pub const MAX_STOP_BYTES: usize = 1024;
