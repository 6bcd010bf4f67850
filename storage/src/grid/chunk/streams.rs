//! The streams of a cold chunk: each as it is, compressed, or, of gaps, in a Rice code, whichever is shortest.

use std::borrow::Cow;

use super::codec::{CODEC_LZ4, CODEC_ZSTD, Compression};
use super::gaps::{best_parameter, gaps_from_bytes, gaps_from_rice, gaps_to_bytes, gaps_to_rice};
use crate::grid::format::cursor::{Cursor, Encoder};
use crate::grid::format::object::Decoded;

/// As it is.
const STORED: u8 = 0;
/// Compressed by the chunk's codec.
const COMPRESSED: u8 = 1;
/// From here on, a Rice code whose parameter is the distance to this.
const RICE: u8 = 16;
/// One past the highest Rice code.
const RICE_END: u8 = 32;
/// A stream's method stands above its length.
const METHOD_SHIFT: u32 = 24;

/// Writes streams.
pub(super) enum Packer {
    Zstd(zstd::bulk::Compressor<'static>),
    Lz4,
}

impl Packer {
    pub(super) fn new(compression: Compression) -> Decoded<Self> {
        match compression {
            Compression::Zstd(level) => zstd::bulk::Compressor::new(level.clamp(1, 19))
                .map(Self::Zstd)
                .map_err(|_| "zstd could not begin"),
            Compression::Lz4 => Ok(Self::Lz4),
        }
    }

    pub(super) fn codec(&self) -> u8 {
        match self {
            Self::Zstd(_) => CODEC_ZSTD,
            Self::Lz4 => CODEC_LZ4,
        }
    }

    pub(super) fn put(&mut self, out: &mut Encoder, plain: &[u8]) -> Decoded<()> {
        let packed = self.pack(plain)?;
        if packed.len() < plain.len() {
            put_stream(out, COMPRESSED, &packed)
        } else {
            put_stream(out, STORED, plain)
        }
    }

    pub(super) fn put_gaps(&mut self, out: &mut Encoder, gaps: &[u16]) -> Decoded<()> {
        let parameter = best_parameter(gaps);
        let rice = gaps_to_rice(gaps, parameter);
        let bytes = gaps_to_bytes(gaps);
        let packed = self.pack(&bytes)?;
        if rice.len() <= packed.len().min(bytes.len()) {
            return put_stream(out, RICE + parameter, &rice);
        }
        if packed.len() < bytes.len() {
            put_stream(out, COMPRESSED, &packed)
        } else {
            put_stream(out, STORED, &bytes)
        }
    }

    fn pack(&mut self, plain: &[u8]) -> Decoded<Vec<u8>> {
        match self {
            Self::Zstd(zstd) => zstd.compress(plain).map_err(|_| "zstd could not compress it"),
            Self::Lz4 => Ok(lz4_flex::block::compress(plain)),
        }
    }
}

fn put_stream(out: &mut Encoder, method: u8, bytes: &[u8]) -> Decoded<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|len| len >> METHOD_SHIFT == 0);
    out.u32(u32::from(method) << METHOD_SHIFT | len.ok_or("a stream is too long")?);
    out.raw(bytes);
    Ok(())
}

/// Reads streams.
pub(super) enum Unpacker {
    Zstd(zstd::bulk::Decompressor<'static>),
    Lz4,
}

impl Unpacker {
    pub(super) fn new(codec: u8) -> Decoded<Self> {
        match codec {
            CODEC_ZSTD => zstd::bulk::Decompressor::new().map(Self::Zstd).map_err(|_| "zstd could not begin"),
            CODEC_LZ4 => Ok(Self::Lz4),
            _ => Err("a chunk is compressed in an unknown way"),
        }
    }

    /// The next stream, of at most this many bytes.
    pub(super) fn take<'a>(&mut self, input: &mut Cursor<'a>, most: usize) -> Decoded<Cow<'a, [u8]>> {
        let (method, bytes) = take_stream(input)?;
        self.unpack(method, bytes, most)
    }

    /// The next stream, of this many gaps.
    pub(super) fn take_gaps(&mut self, input: &mut Cursor<'_>, count: usize) -> Decoded<Vec<u16>> {
        let (method, bytes) = take_stream(input)?;
        match method {
            RICE..RICE_END => gaps_from_rice(bytes, method - RICE, count),
            _ => gaps_from_bytes(&self.unpack(method, bytes, 3 * count)?, count),
        }
    }

    fn unpack<'a>(&mut self, method: u8, bytes: &'a [u8], most: usize) -> Decoded<Cow<'a, [u8]>> {
        match (method, self) {
            (STORED, _) if bytes.len() <= most => Ok(Cow::Borrowed(bytes)),
            (STORED, _) => Err("a stream is longer than it can be"),
            (COMPRESSED, Self::Zstd(zstd)) => zstd
                .decompress(bytes, most)
                .map(Cow::Owned)
                .map_err(|_| "a cold chunk is not what zstd wrote"),
            (COMPRESSED, Self::Lz4) => lz4_flex::block::decompress(bytes, most)
                .map(Cow::Owned)
                .map_err(|_| "a cold chunk is not what LZ4 wrote"),
            _ => Err("a stream is packed in an unknown way"),
        }
    }
}

fn take_stream<'a>(input: &mut Cursor<'a>) -> Decoded<(u8, &'a [u8])> {
    let [a, b, c, method] = input.u32()?.to_le_bytes();
    let len = u32::from_le_bytes([a, b, c, 0]);
    Ok((method, input.take(len as usize)?))
}
