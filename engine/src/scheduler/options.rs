//! How a model's decode thread works.

use hyprstream_models::CacheType;

use super::policy::Limits;

/// What the machine and the model allow a decode thread.
#[derive(Debug, Clone)]
pub(crate) struct DecodeOptions {
    /// The model's name.
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) threads: u32,
    pub(crate) cache_type: CacheType,
    pub(crate) flash_attention: bool,
}
