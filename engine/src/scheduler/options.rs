//! How a model's decode thread works.

use hyprstream_models::CacheType;

use super::policy::cache_shape::CacheLimits;

/// What the machine and the model allow a decode thread.
#[derive(Debug, Clone)]
pub(crate) struct DecodeOptions {
    /// The model's name.
    pub(crate) name: String,
    pub(crate) limits: CacheLimits,
    pub(crate) threads: u32,
    /// The most tokens of one decode.
    pub(crate) chunk: u32,
    pub(crate) cache_type: CacheType,
    /// Bytes of the cache that a token takes.
    pub(crate) token_bytes: u64,
    pub(crate) flash_attention: bool,
}
