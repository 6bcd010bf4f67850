//! A sparse matrix as a blob: count (u32), sorted positions (u32), values (f32).

use crate::workload::{COLS, Updates};

/// Packs what is not +0.0.
pub fn pack(values: &[f32]) -> Vec<u8> {
    let active = values.iter().enumerate().filter(|(_, value)| value.to_bits() != 0);
    let elements: Vec<(u32, f32)> = active.map(|(at, value)| (at as u32, *value)).collect();
    encode(&elements)
}

fn encode(elements: &[(u32, f32)]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(4 + 8 * elements.len());
    blob.extend_from_slice(&(elements.len() as u32).to_le_bytes());
    blob.extend(elements.iter().flat_map(|(at, _)| at.to_le_bytes()));
    blob.extend(elements.iter().flat_map(|(_, value)| value.to_le_bytes()));
    blob
}

fn word(blob: &[u8], index: usize) -> u32 {
    u32::from_le_bytes(blob[4 * index..4 * index + 4].try_into().unwrap())
}

/// The value at a position.
pub fn get(blob: &[u8], position: u32) -> f32 {
    let count = word(blob, 0) as usize;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        match word(blob, 1 + middle).cmp(&position) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return f32::from_bits(word(blob, 1 + count + middle)),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    0.0
}

/// The blob with these elements set.
pub fn merge(blob: &[u8], updates: &Updates) -> Vec<u8> {
    let count = word(blob, 0) as usize;
    let mut new: Vec<(u32, f32)> =
        updates.iter().map(|(row, col, value)| (row * COLS as u32 + col, *value)).collect();
    new.sort_by_key(|(at, _)| *at);
    let mut merged: Vec<(u32, f32)> = Vec::with_capacity(count + new.len());
    let mut new = new.into_iter().peekable();
    let mut push = |element: (u32, f32)| match merged.last_mut() {
        Some(last) if last.0 == element.0 => last.1 = element.1,
        _ => merged.push(element),
    };
    for index in 0..count {
        let at = word(blob, 1 + index);
        while let Some(element) = new.next_if(|(other, _)| *other < at) {
            push(element);
        }
        push((at, f32::from_bits(word(blob, 1 + count + index))));
    }
    new.for_each(push);
    encode(&merged)
}
