//! Summaries of segments that are not written any more, kept in an index so that opening a log need not read them.
//!
//! A summary is taken only while the file has the length, the beginning and the end that it had.

use super::files::{length, open_segment};
use super::header::SegmentVersion;
use super::summary::SegmentSummary;
use crate::backend::StorageDirectory;
use crate::checksum::crc32c_parts;
use crate::error::{Error, Result};
use crate::index::RebuildableIndex;
use crate::integer::to_usize;

/// Raised when what is kept changes.
const VERSION: u64 = 1;
/// How much of a segment's beginning and end must be the same.
const COMPARED_BYTES: u64 = 1 << 12;
/// The number below which no summaries are kept.
const LOWEST_KEY: &[u8] = b"trajectories/lowest";

/// The summary of a segment, if one is kept that is its own.
pub(super) fn get(
    index: &RebuildableIndex,
    directory: &dyn StorageDirectory,
    number: u64,
) -> Result<Option<SegmentSummary>> {
    let Some(kept) = index.get(&key(number)) else {
        return Ok(None);
    };
    let (numbers, rest) = kept.as_chunks();
    let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let &[VERSION, version, crc, bytes, records_end, records, min_id, max_id, max_time_ms] =
        numbers.as_slice()
    else {
        return Ok(None);
    };
    if !rest.is_empty() || compared(directory, number)? != (bytes, crc) {
        return Ok(None);
    }
    let version = if version == 1 { SegmentVersion::One } else { SegmentVersion::Two };
    let damaged = false;
    Ok(Some(SegmentSummary { version, bytes, records_end, records, min_id, max_id, max_time_ms, damaged }))
}

/// Keeps the summary of a segment that is not written any more.
pub(super) fn put(
    index: &RebuildableIndex,
    directory: &dyn StorageDirectory,
    number: u64,
    summary: &SegmentSummary,
) -> Result<()> {
    let (bytes, crc) = compared(directory, number)?;
    if summary.damaged || bytes != summary.bytes {
        index.remove(&key(number));
        return Ok(());
    }
    let SegmentSummary { version, records_end, records, min_id, max_id, max_time_ms, .. } = *summary;
    let version = if version == SegmentVersion::One { 1 } else { 2 };
    let numbers = [VERSION, version, crc, bytes, records_end, records, min_id, max_id, max_time_ms];
    index.put(&key(number), numbers.map(u64::to_le_bytes).as_flattened());
    Ok(())
}

/// Removes the summaries of segments below `lowest`, which retention has removed.
pub(super) fn remove_below(index: &RebuildableIndex, lowest: u64) {
    let known = index.get(LOWEST_KEY).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    if known == Some(lowest) {
        return;
    }
    (known.unwrap_or(lowest)..lowest).for_each(|number| index.remove(&key(number)));
    index.put(LOWEST_KEY, &lowest.to_le_bytes());
}

fn key(number: u64) -> Vec<u8> {
    format!("trajectories/segment/{number:020}").into_bytes()
}

/// The length of a segment's file, and a checksum of its beginning and its end, where its newest record stands.
fn compared(directory: &dyn StorageDirectory, number: u64) -> Result<(u64, u64)> {
    let file = open_segment(directory, number)?;
    let len = length(file.as_ref())?;
    let compared = to_usize(len.min(COMPARED_BYTES));
    let (mut beginning, mut end) = (vec![0; compared], vec![0; compared]);
    let read =
        file.read(0, &mut beginning).and_then(|()| file.read(len.saturating_sub(COMPARED_BYTES), &mut end));
    read.map_err(|e| Error::io("read", file.path(), e))?;
    Ok((len, u64::from(crc32c_parts(&[&beginning, &end]))))
}
