//! Cold chunks: the leaves taken apart so that a compressor finds something, then compressed.
//!
//! Positions become gaps, values become byte planes (all lowest bytes, then all next ones), because the exponents of
//! neighbouring weights are alike and their mantissas are not. The body is: directory, positions of all leaves,
//! planes of all values.

use super::encode::{CODEC_RAW, Form, HEADER_BYTES, MASK_BYTES};
use crate::grid::format::{Cursor, Decoded, Kind, MAX_OBJECT_BYTES, dtype_from_code};

/// Compressed with zstd.
pub(crate) const CODEC_ZSTD: u8 = 1;
/// Compressed with LZ4 (block format).
pub(crate) const CODEC_LZ4: u8 = 2;

/// How cold chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zstd at this level, 1 to 19: small.
    Zstd(i32),
    /// LZ4: fast.
    Lz4,
}

/// Compresses a raw chunk; `None` when that gains less than 5 %.
pub(crate) fn compress(raw: &[u8], compression: Compression) -> Decoded<Option<Vec<u8>>> {
    let plain = take_apart(raw)?;
    let (codec, packed) = match compression {
        Compression::Zstd(level) => {
            let packed =
                zstd::bulk::compress(&plain, level.clamp(1, 19)).map_err(|_| "zstd could not compress it")?;
            (CODEC_ZSTD, packed)
        }
        Compression::Lz4 => (CODEC_LZ4, lz4_flex::block::compress(&plain)),
    };
    let mut cold = raw.get(..HEADER_BYTES).ok_or("a chunk is too short")?.to_vec();
    if let Some(byte) = cold.get_mut(1) {
        *byte = codec;
    }
    cold.extend_from_slice(&packed);
    Ok((cold.len() * 20 <= raw.len() * 19).then_some(cold))
}

/// The raw chunk that was compressed.
pub(crate) fn decompress(cold: &[u8]) -> Decoded<Vec<u8>> {
    let (header, packed) = cold
        .split_at_checked(HEADER_BYTES)
        .ok_or("a chunk is too short")?;
    let raw_len = Cursor::new(header.get(4..).unwrap_or_default()).u32()? as usize;
    if raw_len > MAX_OBJECT_BYTES {
        return Err("a cold chunk claims to be longer than any chunk");
    }
    // A gap takes a byte more than its position when it is long, of which a leaf has at most 16.
    let plain_len = raw_len + 512;
    let plain = match header.get(1) {
        Some(&CODEC_ZSTD) => {
            zstd::bulk::decompress(packed, plain_len).map_err(|_| "a cold chunk is not what zstd wrote")?
        }
        Some(&CODEC_LZ4) => lz4_flex::block::decompress(packed, plain_len)
            .map_err(|_| "a cold chunk is not what LZ4 wrote")?,
        _ => return Err("a chunk is compressed in an unknown way"),
    };
    put_together(header, &plain, raw_len)
}

/// What the directory says of a leaf.
struct Part {
    form: Form,
    active: usize,
    start: usize,
    body_bytes: usize,
}

/// The leaves of a raw chunk, by its directory.
fn parts(directory: &[u8], raw_len: usize) -> Decoded<Vec<Part>> {
    let mut input = Cursor::new(directory);
    let mut parts: Vec<Part> = Vec::new();
    while !input.is_empty() {
        let entry = input.u32()?;
        let start = (entry & 0x1_ffff) as usize * 4;
        parts.push(Part {
            form: Form::from_code(entry >> 30),
            active: (entry >> 17 & 0x1fff) as usize,
            start,
            body_bytes: 0,
        });
    }
    let mut end = raw_len;
    for part in parts.iter_mut().rev() {
        part.body_bytes = end
            .checked_sub(part.start)
            .ok_or("a chunk's leaves are out of order")?;
        end = part.start;
    }
    Ok(parts)
}

fn value_bytes(header: &[u8]) -> Decoded<usize> {
    Ok(dtype_from_code(*header.get(2).ok_or("a chunk is too short")?)?.bytes())
}

/// Bytes of positions, mask or runs before the values of a leaf.
fn index_bytes(part: &Part, body: &[u8]) -> Decoded<usize> {
    Ok(match part.form {
        Form::Offsets => (2 * part.active).next_multiple_of(4),
        Form::Mask => MASK_BYTES,
        Form::Runs => (Cursor::new(body).u32()? as usize)
            .saturating_mul(4)
            .saturating_add(4),
        Form::Dense => 0,
    })
}

fn take_apart(raw: &[u8]) -> Decoded<Vec<u8>> {
    let (header, _) = raw.split_at_checked(HEADER_BYTES).ok_or("a chunk is too short")?;
    let directory_end = HEADER_BYTES + 4 * usize::from(*header.get(3).unwrap_or(&0));
    let directory = raw
        .get(HEADER_BYTES..directory_end)
        .ok_or("a chunk is too short")?;
    let width = value_bytes(header)?;
    let mut plain = directory.to_vec();
    let mut values = Vec::with_capacity(raw.len());
    for part in parts(directory, raw.len())? {
        let body = raw
            .get(part.start..part.start + part.body_bytes)
            .ok_or("a leaf ends past its chunk")?;
        let (index, rest) = body
            .split_at_checked(index_bytes(&part, body)?)
            .ok_or("a leaf ends past its chunk")?;
        if part.form == Form::Offsets {
            put_gaps(index, part.active, &mut plain);
        } else {
            plain.extend_from_slice(index);
        }
        values.extend_from_slice(rest);
    }
    for plane in 0..width {
        plain.extend(values.iter().skip(plane).step_by(width));
    }
    Ok(plain)
}

/// Positions of at most 4095 as the distance to the one before, in one byte when it is below 255.
fn put_gaps(index: &[u8], active: usize, plain: &mut Vec<u8>) {
    let mut next = 0u16;
    for position in index.as_chunks::<2>().0.iter().take(active) {
        let position = u16::from_le_bytes(*position);
        let gap = position.saturating_sub(next);
        match u8::try_from(gap) {
            Ok(short) if short < u8::MAX => plain.push(short),
            _ => {
                plain.push(u8::MAX);
                plain.extend_from_slice(&gap.to_le_bytes());
            }
        }
        next = position.saturating_add(1);
    }
}

fn take_gaps(input: &mut Cursor<'_>, active: usize, raw: &mut Vec<u8>) -> Decoded<()> {
    let mut next = 0u16;
    for _ in 0..active {
        let gap = match input.u8()? {
            u8::MAX => input.u16()?,
            short => u16::from(short),
        };
        let position = next.checked_add(gap).ok_or("a gap leads past its leaf")?;
        raw.extend_from_slice(&position.to_le_bytes());
        next = position.saturating_add(1);
    }
    raw.resize(raw.len().next_multiple_of(4), 0);
    Ok(())
}

fn put_together(header: &[u8], plain: &[u8], raw_len: usize) -> Decoded<Vec<u8>> {
    let width = value_bytes(header)?;
    let mut input = Cursor::new(plain);
    let directory = input.take(4 * usize::from(*header.get(3).unwrap_or(&0)))?;
    let parts = parts(directory, raw_len)?;
    let mut indices = Vec::with_capacity(parts.len());
    let mut value_count = 0;
    for part in &parts {
        let mut index = Vec::new();
        if part.form == Form::Offsets {
            take_gaps(&mut input, part.active, &mut index)?;
        } else {
            let len = index_bytes(part, input.rest())?;
            index.extend_from_slice(input.take(len)?);
        }
        let values = part
            .body_bytes
            .checked_sub(index.len())
            .ok_or("a leaf ends past its chunk")?;
        indices.push((index, values / width));
        value_count += values / width;
    }
    let planes = input.take(value_count * width)?;
    let mut raw = Vec::with_capacity(raw_len);
    raw.extend_from_slice(header);
    if let Some(codec) = raw.get_mut(1) {
        *codec = CODEC_RAW;
    }
    raw.extend_from_slice(directory);
    let mut first = 0;
    for (index, values) in indices {
        raw.extend_from_slice(&index);
        let start = raw.len();
        raw.resize(start + values * width, 0);
        for plane in 0..width {
            let bytes = planes.get(plane * value_count + first..).unwrap_or_default();
            let target = raw
                .get_mut(start + plane..)
                .unwrap_or_default()
                .iter_mut()
                .step_by(width);
            target.zip(bytes).take(values).for_each(|(to, from)| *to = *from);
        }
        first += values;
    }
    if raw.len() == raw_len && raw.first() == Some(&Kind::Chunk.code()) {
        Ok(raw)
    } else {
        Err("a cold chunk has another length than it claims")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops where something is not there")]
mod tests {
    use super::*;
    use crate::grid::chunk::{Geometry, Numbers, Scratch, encode_chunk};
    use crate::grid::path::DataType;

    #[test]
    fn cold_chunks_come_back_bit_for_bit_in_every_form_and_type() {
        for (dtype, step) in [DataType::F32, DataType::F16, DataType::Bf16, DataType::Int8]
            .into_iter()
            .flat_map(|dtype| [1usize, 3, 100, 5000].map(|step| (dtype, step)))
        {
            let geometry = Geometry::new(300, 100);
            let mut values = vec![0.0f32; 30_000];
            for (index, value) in values.iter_mut().enumerate() {
                let in_run = step == 3 && index / 900 % 2 == 0;
                if index % step == 0 || in_run {
                    *value = f32::from(u16::try_from(index % 997).unwrap()) / 1000.0 - 0.3;
                }
            }
            let numbers = Numbers { dtype, scale: 0.01 };
            let raw = encode_chunk(&geometry, 0, numbers, &values, &mut Scratch::default()).bytes;
            for compression in [Compression::Zstd(3), Compression::Lz4] {
                let Some(cold) = compress(&raw, compression).unwrap() else {
                    continue;
                };
                assert!(cold.len() * 20 <= raw.len() * 19);
                assert_eq!(
                    decompress(&cold).unwrap(),
                    raw,
                    "{dtype:?} {step} {compression:?}"
                );
            }
            assert_eq!(
                put_together(raw.get(..8).unwrap(), &take_apart(&raw).unwrap(), raw.len()).unwrap(),
                raw
            );
        }
    }
}
