//! The write-ahead log of sparse updates.
//!
//! ```text
//! record
//!   0 | magic "1LAW"                      | 4
//!   4 | length of the payload             | 4
//!   8 | base: the superblock's commit     | 8
//!  16 | number, from 1                    | 8
//!  24 | CRC-32C                           | 4
//!  28 | 0                                 | 4
//!  32 | payload                           | n
//! ```
//!
//! Records of one base (the number of the durable superblock that they follow) begin at the start of the file and are
//! numbered from 1; the first that is torn, of another base or out of order ends them. The checksum covers the store's
//! id, base, number and payload.
//!
//! Only [`GridStore::update`](crate::GridStore::update) writes to it, which the product does not call yet but to replay
//! a log in a salvage: its commits go by the tree, because they change metadata together with weights. Streamed updates
//! of weights will use it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::traits::StorageBackend;
use crate::checksum::crc32c_parts;
use crate::error::{Error, Result};
use crate::grid::format::cursor::{Cursor, Encoder};

const HEADER_BYTES: usize = 32;
const MAGIC: u32 = 0x5741_4c31;
/// Largest payload; larger batches go by the tree.
pub(crate) const MAX_PAYLOAD: usize = 256 << 20;

/// The log's file and where its next record goes.
#[derive(Debug)]
pub(crate) struct Wal {
    backend: Arc<dyn StorageBackend>,
    path: PathBuf,
    store_id: u64,
    base: u64,
    end: u64,
    last: u64,
    /// Whether a record that was refused may stand behind the last one.
    refused_record: bool,
}

impl Wal {
    pub(crate) fn new(backend: Arc<dyn StorageBackend>, store_id: u64) -> Self {
        let path = backend.path().to_owned();
        Self { backend, path, store_id, base: 0, end: 0, last: 0, refused_record: false }
    }

    /// Begins again from the first record, after a durable superblock that makes the earlier ones void.
    pub(crate) fn restart(&mut self, base: u64) {
        self.base = base;
        self.end = 0;
        self.last = 0;
        self.refused_record = false;
    }

    /// Whether a recovery might find a record behind the last one, which was refused.
    pub(crate) fn may_hold_refused_record(&self) -> bool {
        // Only a new base voids such a record: bytes that overwrite it may reach the disk later than it did.
        self.refused_record
    }

    /// Notes that a recovery might find a record behind the last one.
    pub(crate) fn expect_refused_record(&mut self) {
        self.refused_record = true;
    }

    /// The number of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Appends a record, visible to a recovery once the file is synced. On an error the log is as before, but for
    /// [`Self::may_hold_refused_record`] where the whole record may be there nevertheless.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<()> {
        let record = self.encode(self.last + 1, payload)?;
        if let Err(error) = self.backend.write(self.end, &record) {
            self.refused_record |= self.may_hold(&record);
            return Err(Error::io("write", &self.path, error));
        }
        self.end += record.len() as u64;
        self.last += 1;
        Ok(())
    }

    /// Whether the record lies at the end.
    fn may_hold(&self, record: &[u8]) -> bool {
        // What the operating system does not show it did not write to the disk.
        let end = self.end + record.len() as u64;
        let found = self.backend.len().and_then(|len| {
            if len < end {
                return Ok(false);
            }
            let view = self.backend.view(end)?;
            Ok(*view.bytes(self.end, record.len())? == *record)
        });
        found.unwrap_or(true)
    }

    /// The payloads of the first records of `base`, at most so many, in order. The next record is appended behind them.
    pub(crate) fn recover(&mut self, base: u64, at_most: u64) -> Result<Vec<Vec<u8>>> {
        (self.base, self.end, self.last) = (base, 0, 0);
        let len = self.backend.len().map_err(|e| Error::io("measure", &self.path, e))?;
        let view = self.backend.view(len).map_err(|e| Error::io("map", &self.path, e))?;
        let mut payloads = Vec::new();
        while self.last < at_most {
            let Some(header) = present(view.bytes(self.end, HEADER_BYTES), &self.path)? else {
                break;
            };
            let Some((payload_len, crc)) = decode_header(&header, self.base, self.last + 1) else {
                break;
            };
            let start = self.end + HEADER_BYTES as u64;
            let Some(payload) = present(view.bytes(start, payload_len), &self.path)? else {
                break;
            };
            if self.crc(self.last + 1, &payload) != crc {
                break;
            }
            self.end = start + payload_len as u64;
            self.last += 1;
            payloads.push(payload.into_owned());
        }
        Ok(payloads)
    }

    fn encode(&self, number: u64, payload: &[u8]) -> Result<Vec<u8>> {
        let len = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD);
        let len = len.ok_or_else(|| Error::internal("a record of the write-ahead log is too long"))?;
        let mut out = Encoder::with_capacity(HEADER_BYTES + payload.len());
        out.u32(MAGIC).u32(len).u64(self.base).u64(number).u32(self.crc(number, payload)).u32(0);
        out.raw(payload);
        Ok(out.bytes)
    }

    fn crc(&self, number: u64, payload: &[u8]) -> u32 {
        // With the store, the base and the number in it, no other store's record and no older one passes.
        let mut seed = Encoder::with_capacity(24);
        seed.u64(self.store_id).u64(self.base).u64(number);
        crc32c_parts(&[&seed.bytes, payload])
    }
}

/// What was read, or nothing where the file ends before it.
fn present<T>(read: io::Result<T>, path: &Path) -> Result<Option<T>> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

fn decode_header(header: &[u8], base: u64, number: u64) -> Option<(usize, u32)> {
    let mut input = Cursor::new(header);
    let magic = input.u32().ok()?;
    let len = input.u32().ok()? as usize;
    let fits = magic == MAGIC && len <= MAX_PAYLOAD;
    let ours = input.u64().ok()? == base && input.u64().ok()? == number;
    let crc = input.u32().ok()?;
    (fits && ours).then_some((len, crc))
}
