//! Puts the checksums of a store right, so that a fuzzer gets behind them.

use std::collections::HashSet;

const SUPERBLOCKS: [usize; 2] = [0, 4096];
/// Where a superblock refers to the main tree, to the table of regions and to its copy.
const SUPERBLOCK_REFERENCES: [usize; 3] = [40, 80, 112];
const REFERENCE: usize = 24;

/// Puts right the checksums of both superblocks and of every object that they lead to.
pub fn repair(data: &mut [u8]) {
    let mut seen = HashSet::new();
    for slot in SUPERBLOCKS {
        if data.len() < slot + 512 {
            continue;
        }
        for at in SUPERBLOCK_REFERENCES {
            repair_object(data, slot + at, &mut seen, 0);
        }
        let crc = crc32c::crc32c(&data[slot..slot + 508]);
        data[slot + 508..slot + 512].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Puts right what the reference at `at` says of its object, after what the object says of others.
fn repair_object(data: &mut [u8], at: usize, seen: &mut HashSet<usize>, depth: usize) {
    let Some(location) = number(data, at, 8) else { return };
    let (start, len) = ((location & ((1 << 40) - 1)) * 64, location >> 40);
    let Some(object) = data.get(start..start + len).filter(|object| !object.is_empty()) else {
        return;
    };
    if depth < 64 && seen.insert(start) {
        for inside in references(object) {
            repair_object(data, start + inside, seen, depth + 1);
        }
    }
    let crc = crc32c::crc32c(&data[start..start + len]);
    data[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
}

/// Where in an object references lie, as far as it can be followed.
fn references(object: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    match object {
        [1, ..] => _ = in_leaf(object, &mut found),
        [2, ..] => _ = in_branch(object, &mut found),
        [3, ..] => found.extend((36..object.len()).step_by(REFERENCE)),
        // A patch refers to its base.
        [4, 3, ..] => found.push(8),
        _ => {}
    }
    found.retain(|at| at + REFERENCE <= object.len());
    found
}

fn in_leaf(object: &[u8], found: &mut Vec<usize>) -> Option<()> {
    let mut at = 4;
    for _ in 0..number(object, 2, 2)? {
        let value = at + 4 + number(object, at, 2)?;
        at = value + number(object, at + 2, 2)?;
        // Metadata in blobs, a version, a matrix.
        let first = match *object.get(value)? {
            2 => value + 9,
            5 => value + 10,
            6 => value + 22,
            _ => continue,
        };
        found.extend((first..at).step_by(REFERENCE));
    }
    Some(())
}

fn in_branch(object: &[u8], found: &mut Vec<usize>) -> Option<()> {
    let mut at = 4;
    for _ in 0..number(object, 2, 2)? {
        let reference = at + 2 + number(object, at, 2)?;
        found.push(reference);
        at = reference + REFERENCE;
    }
    Some(())
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + len)?;
    Some(bytes.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte)))
}
