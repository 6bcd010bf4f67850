//! Cold chunks: the parts of the leaves are separated, so that each compresses well, and then compressed.
//!
//! Positions become gaps, values become byte planes (all lowest bytes, then all next ones), because the exponents of
//! neighbouring weights are alike and their mantissas are not. Each part is a stream of its own, so that planes of
//! noise neither spoil the code of the exponents nor cost more than they hold. Where the leaves begin in the raw
//! chunk follows from their lengths, and is not stored.
//!
//! ```text
//!   0 | header as of a raw chunk, codec 1 zstd or 2 LZ4, length of the raw chunk  | 8
//!   8 | of each leaf: form: bits 14-15, active elements: bits 0-12                 | 2 each
//!     | streams: masks and runs; gaps; the values' byte planes, lowest first       |
//!
//! stream
//!   0 | how it is packed: bits 24-31, length: bits 0-23 | 4
//!   4 | bytes                                           | n
//! ```

use std::borrow::Cow;

use super::codec::Compression;
use super::encode::{ChunkBuilder, Form, HEADER_BYTES, MASK_BYTES};
use super::gaps::{push_gaps, push_positions};
use super::layout::Layout;
use super::streams::{Packer, Unpacker};
use super::view::ChunkView;
use crate::grid::format::cursor::{Cursor, Encoder};
use crate::grid::format::object::{Decoded, MAX_OBJECT_BYTES};
use crate::grid::format::value::dtype_code;

/// A leaf's entry: its form above, its active elements below.
const FORM_SHIFT: u32 = 14;
const ACTIVE_MASK: u16 = 0x1fff;

/// Compresses a raw chunk; `None` when that gains less than 5 %.
pub(crate) fn compress(
    raw: &[u8],
    layout: &Layout,
    chunk: u64,
    compression: Compression,
) -> Decoded<Option<Vec<u8>>> {
    let parts = Parts::of(raw, layout, chunk)?;
    let mut packer = Packer::new(compression)?;
    let mut cold = Encoder::with_capacity(raw.len());
    cold.raw(raw.get(..HEADER_BYTES).ok_or("a chunk is too short")?);
    for (form, active) in &parts.leaves {
        let active = u16::try_from(*active).map_err(|_| "a leaf has more active elements than it covers")?;
        cold.u16(u16::from(form.code()) << FORM_SHIFT | active);
    }
    packer.put(&mut cold, &parts.shapes)?;
    packer.put_gaps(&mut cold, &parts.gaps)?;
    let width = layout.dtype.bytes();
    for plane in 0..width {
        let plane: Vec<u8> = parts.values.iter().skip(plane).step_by(width).copied().collect();
        packer.put(&mut cold, &plane)?;
    }
    let mut cold = cold.bytes;
    if let Some(byte) = cold.get_mut(1) {
        *byte = packer.codec();
    }
    Ok((cold.len() * 20 <= raw.len() * 19).then_some(cold))
}

/// The raw chunk that was compressed.
pub(crate) fn decompress(cold: &[u8], layout: &Layout, chunk: u64) -> Decoded<Vec<u8>> {
    let mut input = Cursor::new(cold);
    let header = input.take(HEADER_BYTES)?;
    let [_, codec, dtype, leaves, len @ ..] = header else {
        return Err("a chunk is too short");
    };
    if *dtype != dtype_code(layout.dtype) {
        return Err("a chunk's numbers are not of its matrix's type");
    }
    if usize::from(*leaves) != layout.geometry.leaves_of(chunk) {
        return Err("a chunk has fewer leaves than its matrix");
    }
    let raw_len = Cursor::new(len).u32()? as usize;
    if raw_len > MAX_OBJECT_BYTES {
        return Err("a cold chunk claims to be longer than any chunk");
    }
    let mut sizes = Sizes::default();
    let mut entries = Vec::with_capacity(usize::from(*leaves));
    for index in 0..usize::from(*leaves) {
        let entry = input.u16()?;
        let form = Form::from_code(u32::from(entry >> FORM_SHIFT));
        let leaf = layout.geometry.leaf(chunk, index);
        let active = usize::from(entry & ACTIVE_MASK);
        if active > leaf.area() {
            return Err("a leaf has more active elements than it covers");
        }
        sizes.add(form, active, leaf.area());
        entries.push((form, active));
    }
    let mut unpacker = Unpacker::new(*codec)?;
    let shapes = unpacker.take(&mut input, sizes.most_shape_bytes)?;
    let gaps = unpacker.take_gaps(&mut input, sizes.offsets)?;
    let width = layout.dtype.bytes();
    let mut values = vec![0; sizes.values * width];
    for plane in 0..width {
        let bytes = unpacker.take(&mut input, sizes.values)?;
        if bytes.len() != sizes.values {
            return Err("a cold chunk has another number of values than its leaves");
        }
        let targets = values.iter_mut().skip(plane).step_by(width);
        targets.zip(bytes.iter()).for_each(|(to, from)| *to = *from);
    }
    let parts = Parts { leaves: entries, shapes: shapes.into_owned(), gaps, values };
    let raw = parts.put_together(layout, chunk, raw_len)?;
    if input.is_empty() && raw.len() == raw_len {
        Ok(raw)
    } else {
        Err("a cold chunk has another length than it claims")
    }
}

/// How much the leaves of a cold chunk ask for.
#[derive(Default)]
struct Sizes {
    /// Elements of leaves that are lists of offsets.
    offsets: usize,
    /// Stored values.
    values: usize,
    /// Masks, and runs if each held one element.
    most_shape_bytes: usize,
}

impl Sizes {
    fn add(&mut self, form: Form, active: usize, area: usize) {
        self.values += if form == Form::Dense { area } else { active };
        match form {
            Form::Offsets => self.offsets += active,
            Form::Mask => self.most_shape_bytes += MASK_BYTES,
            Form::Runs => self.most_shape_bytes += 4 + 4 * active,
            Form::Dense => {}
        }
    }
}

/// A raw chunk taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// Form and active elements of each leaf.
    leaves: Vec<(Form, usize)>,
    /// Masks and runs, as they are.
    shapes: Vec<u8>,
    /// Gaps of the leaves that are lists of offsets, each leaf from its beginning.
    gaps: Vec<u16>,
    /// Values of all leaves.
    values: Vec<u8>,
}

impl Parts {
    fn of(raw: &[u8], layout: &Layout, chunk: u64) -> Decoded<Self> {
        let Layout { geometry, dtype } = *layout;
        let view = ChunkView::new(Cow::Borrowed(raw), dtype)?;
        if view.leaves() != geometry.leaves_of(chunk) {
            return Err("a chunk has fewer leaves than its matrix");
        }
        let mut parts = Self {
            leaves: Vec::with_capacity(view.leaves()),
            shapes: Vec::new(),
            gaps: Vec::new(),
            values: Vec::with_capacity(raw.len()),
        };
        for index in 0..view.leaves() {
            let leaf = geometry.leaf(chunk, index);
            let leaf_view = view.leaf(index, &leaf, dtype)?;
            leaf_view.check(&leaf, dtype)?;
            parts.leaves.push((leaf_view.form, leaf_view.active));
            if leaf_view.form == Form::Offsets {
                let positions = leaf_view.index.as_chunks::<2>().0.iter().take(leaf_view.active);
                push_gaps(positions.map(|bytes| u16::from_le_bytes(*bytes)), &mut parts.gaps);
            } else {
                parts.shapes.extend_from_slice(leaf_view.index);
            }
            parts.values.extend_from_slice(leaf_view.values);
        }
        Ok(parts)
    }

    fn put_together(&self, layout: &Layout, chunk: u64, raw_len: usize) -> Decoded<Vec<u8>> {
        let Layout { geometry, dtype } = *layout;
        let mut builder = ChunkBuilder::new(dtype, self.leaves.len(), raw_len);
        let (mut shapes, mut gaps) = (Cursor::new(&self.shapes), self.gaps.as_slice());
        let mut values = Cursor::new(&self.values);
        let mut body = Vec::new();
        for (index, (form, active)) in self.leaves.iter().enumerate() {
            body.clear();
            let mut stored = *active;
            match form {
                Form::Offsets => {
                    let (mine, rest) = gaps
                        .split_at_checked(*active)
                        .ok_or("a cold chunk has fewer gaps than active elements")?;
                    push_positions(mine, &mut body)?;
                    body.resize(body.len().next_multiple_of(4), 0);
                    gaps = rest;
                }
                Form::Mask => body.extend_from_slice(shapes.take(MASK_BYTES)?),
                Form::Runs => {
                    let runs = Cursor::new(shapes.rest()).u32()? as usize;
                    body.extend_from_slice(shapes.take(runs.saturating_mul(4).saturating_add(4))?);
                }
                Form::Dense => stored = geometry.leaf(chunk, index).area(),
            }
            body.extend_from_slice(values.take(stored * dtype.bytes())?);
            builder.push_encoded(*form, *active, &body);
        }
        if shapes.is_empty() && gaps.is_empty() && values.is_empty() {
            Ok(builder.finish().bytes)
        } else {
            Err("a cold chunk holds more than its leaves")
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops where something is not there")]
mod tests {
    use super::*;
    use crate::grid::chunk::codec::CODEC_RAW;
    use crate::grid::chunk::encode::{Scratch, encode_chunk};
    use crate::grid::format::geometry::Geometry;
    use crate::grid::path::DataType;

    #[test]
    fn cold_chunks_come_back_bit_for_bit_in_every_form_and_type() {
        for (dtype, step) in [DataType::F32, DataType::F16]
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
            let layout = Layout { geometry, dtype };
            let raw = encode_chunk(&geometry, 0, dtype, &values, &mut Scratch::default()).bytes;
            assert_eq!(raw.get(1), Some(&CODEC_RAW));
            for compression in [Compression::Zstd(3), Compression::Lz4] {
                let Some(cold) = compress(&raw, &layout, 0, compression).unwrap() else {
                    continue;
                };
                assert!(cold.len() * 20 <= raw.len() * 19);
                let found = decompress(&cold, &layout, 0).unwrap();
                assert!(found == raw, "{dtype:?} {step} {compression:?}");
            }
            let parts = Parts::of(&raw, &layout, 0).unwrap();
            assert!(parts.put_together(&layout, 0, raw.len()).unwrap() == raw);
        }
    }

    #[test]
    fn damaged_cold_chunks_are_refused_or_have_the_length_they_claim() {
        let geometry = Geometry::new(300, 100);
        let dtype = DataType::F32;
        let layout = Layout { geometry, dtype };
        let values: Vec<f32> =
            (0..30_000u16).map(|n| if n % 37 == 0 || n / 1000 == 7 { f32::from(n) } else { 0.0 }).collect();
        let raw = encode_chunk(&geometry, 0, dtype, &values, &mut Scratch::default()).bytes;
        let cold = compress(&raw, &layout, 0, Compression::Zstd(3)).unwrap().unwrap();
        let mut refused = 0;
        for at in 0..cold.len() {
            for bit in 0..8 {
                let mut damaged = cold.clone();
                if let Some(byte) = damaged.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                match decompress(&damaged, &layout, 0) {
                    Ok(found) => assert_eq!(found.len(), raw.len()),
                    Err(_) => refused += 1,
                }
            }
            refused += usize::from(decompress(cold.get(..at).unwrap_or_default(), &layout, 0).is_err());
        }
        assert!(refused > cold.len(), "{refused} of {}", cold.len());
    }
}
