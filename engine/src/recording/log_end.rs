//! Where the log of recorded answers ended, kept in the weight store: a log that ends before it has lost records.

use hyprstream_storage::{LogPosition, WriteTransaction};

use crate::adapters::store::AdapterStore;
use crate::error::{Error, Result};

const KEY: &[u8] = b"trajectory/end";

/// An end that the log once had durably. One that cannot be read is that of an empty log, because the log itself does
/// not depend on it.
pub(crate) fn reached(store: &AdapterStore) -> LogPosition {
    let read = store.snapshot().metadata(KEY).map_err(Error::from).and_then(|bytes| match bytes {
        None => Ok(LogPosition::BEGINNING),
        Some(bytes) => decode(&bytes),
    });
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "whether recorded answers are missing at the end of their log cannot be told");
        LogPosition::BEGINNING
    })
}

/// Keeps the end of the log, which is durable up to there.
pub(crate) fn put_reached(transaction: &mut WriteTransaction<'_>, end: LogPosition) -> Result<()> {
    let bytes = [end.segment.to_le_bytes(), end.offset.to_le_bytes()].concat();
    Ok(transaction.put_metadata(KEY, &bytes)?)
}

/// Forgets the end, because another log takes the place of this one.
pub(crate) fn forget_reached(transaction: &mut WriteTransaction<'_>) -> Result<()> {
    transaction.remove_metadata(KEY)?;
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<LogPosition> {
    let damaged = || Error::Corrupt(format!("the end of the log has {} bytes instead of 16", bytes.len()));
    let (segment, offset) = bytes.split_first_chunk().ok_or_else(damaged)?;
    let offset = offset.try_into().map_err(|_| damaged())?;
    Ok(LogPosition { segment: u64::from_le_bytes(*segment), offset: u64::from_le_bytes(offset) })
}
