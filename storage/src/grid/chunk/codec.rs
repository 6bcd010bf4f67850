//! How the bytes of a chunk are to be read: the second byte of a chunk is its codec.

/// The leaves as they are, read in place.
pub(crate) const CODEC_RAW: u8 = 0;
/// Compressed with zstd.
pub(crate) const CODEC_ZSTD: u8 = 1;
/// Compressed with LZ4 (block format).
pub(crate) const CODEC_LZ4: u8 = 2;

/// The body is a base and what differs from it.
pub(crate) const CODEC_PATCH: u8 = 3;

/// How cold chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zstd at this level, 1 to 19: small.
    Zstd(i32),
    /// LZ4: fast.
    Lz4,
}

impl Compression {
    /// The codec in the header of a chunk that was compressed so.
    pub(crate) fn codec(self) -> u8 {
        match self {
            Self::Zstd(_) => CODEC_ZSTD,
            Self::Lz4 => CODEC_LZ4,
        }
    }
}
