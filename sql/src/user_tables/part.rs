//! Files of a table, kept as long as someone reads them, and their bytes, each of them checked.

use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Statistics;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use hyprstream_engine::{
    DamageRow, Error as EngineError, PartDirectory, PartReader, PartRecord, StorageError, StoredPart,
};

use crate::error::{Error, ErrorKind, Result, inner_error};

/// A file up to this length is read as a whole, because its checksum covers it as a whole.
const SMALL_BYTES: u64 = 1 << 16;

/// How much of a column is read at once where Parquet asks for bytes without saying how many.
const READ_BYTES: u64 = 1 << 16;

/// One file of a table, which never changes. When the table no longer has it, it goes with its last reader.
#[derive(Debug)]
pub(crate) struct Part {
    table: Arc<str>,
    directory: Arc<PartDirectory>,
    stored: StoredPart,
    /// What plans know of its values, once it was read.
    pub(super) statistics: OnceLock<Arc<Statistics>>,
    is_obsolete: AtomicBool,
    is_unreadable: AtomicBool,
}

impl Part {
    /// A part that the table has.
    pub(super) fn new(table: &Arc<str>, directory: &Arc<PartDirectory>, stored: StoredPart) -> Self {
        Self {
            table: Arc::clone(table),
            directory: Arc::clone(directory),
            stored,
            statistics: OnceLock::new(),
            is_obsolete: AtomicBool::new(false),
            is_unreadable: AtomicBool::new(false),
        }
    }

    /// Its number in the catalog.
    pub(super) fn number(&self) -> u64 {
        self.stored.number
    }

    pub(super) fn rows(&self) -> u64 {
        self.stored.rows
    }

    /// What the catalog says of its bytes.
    pub(super) fn record(&self) -> &PartRecord {
        &self.stored.record
    }

    pub(super) fn name(&self) -> &str {
        &self.stored.record.name
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(self.name())
    }

    /// Opens the file, which must be there in its whole length.
    pub(super) fn open(&self) -> Result<PartBytes> {
        PartBytes::open(&self.directory, self.record()).map_err(|error| self.fault(&error))
    }

    /// The error of reading it, with the table's name.
    pub(super) fn fault(&self, error: &Error) -> Error {
        if error.kind() != ErrorKind::DataCorrupted {
            return error.clone();
        }
        let about = format!("a part of table \"{}\" cannot be read: ", self.table);
        if error.message().starts_with(&about) {
            return error.clone();
        }
        let what = error.message().trim_start_matches("stored data is damaged: ");
        Error::new(ErrorKind::DataCorrupted, format!("{about}{what}")).with_hint(
            "CALL verify_store() lists what is damaged. Restore a backup, or take over what is whole with hyprstream salvage.",
        )
    }

    /// Reads the rows one group after the other.
    pub(super) fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<'_>> {
        let opened = self.open()?;
        let rows = opened.rows().and_then(|rows| rows.build().map_err(|error| opened.damage(&error)));
        let rows = rows.map_err(|error| self.fault(&error))?;
        Ok(rows.map(move |rows| rows.map_err(|error| self.fault(&opened.damage(&error)))))
    }

    /// How it is damaged, if it is. Every byte is read, and every row.
    pub(super) fn damage(&self) -> Option<DamageRow> {
        let (offset, reason) = match self.directory.reader(self.record()).and_then(|part| part.verify()) {
            Ok(()) => (0, self.read_all().err()?.message().to_owned()),
            Err(error) => (damaged_offset(&error), EngineError::from(error).to_string()),
        };
        Some(DamageRow {
            file: format!("tables/{}", self.name()),
            offset,
            what: format!("rows of table {}", self.table),
            reason,
            ..DamageRow::default()
        })
    }

    fn read_all(&self) -> Result<()> {
        let mut found = 0;
        for rows in self.batches()? {
            found += rows?.num_rows() as u64;
        }
        if found == self.rows() { Ok(()) } else { Err(self.wrong_count(found)) }
    }

    /// The error for a part with other rows than the catalog says.
    pub(super) fn wrong_count(&self, found: u64) -> Error {
        let message = format!("{} has {found} rows and had {}", self.path().display(), self.rows());
        self.fault(&Error::new(ErrorKind::DataCorrupted, message))
    }

    /// The table no longer has it.
    pub(super) fn retire(&self) {
        self.is_obsolete.store(true, Ordering::Release);
    }

    /// Whether its rows could be read when that was last tried.
    pub(super) fn is_readable(&self) -> bool {
        !self.is_unreadable.load(Ordering::Relaxed)
    }

    pub(super) fn mark_unreadable(&self) {
        self.is_unreadable.store(true, Ordering::Relaxed);
    }
}

fn damaged_offset(error: &StorageError) -> u64 {
    match error {
        StorageError::Corrupt { offset, .. } => *offset,
        _ => 0,
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire)
            && let Err(error) = self.directory.remove(self.name())
        {
            tracing::warn!(part = self.name(), %error, "a part that no table has could not be removed");
        }
    }
}

/// The bytes of an open part. They are checked before they are handed out.
#[derive(Debug, Clone)]
pub(super) struct PartBytes {
    open: Arc<OpenPart>,
}

#[derive(Debug)]
struct OpenPart {
    reader: PartReader,
    path: PathBuf,
    /// All bytes of a small part.
    whole: OnceLock<Bytes>,
    /// Why bytes could not be read. Parquet passes errors on as texts.
    failure: OnceLock<Error>,
}

impl PartBytes {
    pub(super) fn open(directory: &PartDirectory, record: &PartRecord) -> Result<Self> {
        let reader = directory.reader(record).map_err(EngineError::from)?;
        let path = directory.path().join(&record.name);
        let open = OpenPart { reader, path, whole: OnceLock::new(), failure: OnceLock::new() };
        Ok(Self { open: Arc::new(open) })
    }

    /// Some of its bytes.
    pub(super) fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.open.read(range).inspect_err(|error| {
            let _ = self.open.failure.set(error.clone());
        })
    }

    /// What the end of the file says, with the indexes of its pages.
    pub(super) fn metadata(&self) -> Result<ParquetMetaData> {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        reader.parse_and_finish(self).map_err(|error| self.damage(&error))
    }

    /// Reads the rows, all of them or those of some row groups.
    pub(super) fn rows(&self) -> Result<ParquetRecordBatchReaderBuilder<Self>> {
        let metadata = ArrowReaderMetadata::try_new(Arc::new(self.metadata()?), ArrowReaderOptions::new());
        let metadata = metadata.map_err(|error| self.damage(&error))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(self.clone(), metadata))
    }

    /// An error of reading Parquet, which is damage of this file unless it is something else.
    pub(super) fn damage(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        self.open.failure.get().cloned().or_else(|| inner_error(error)).unwrap_or_else(|| {
            let message = format!("{} is damaged: {error}", self.open.path.display());
            Error::new(ErrorKind::DataCorrupted, message)
        })
    }
}

impl OpenPart {
    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let Self { reader, path, whole, .. } = self;
        let length = reader.bytes();
        if range.start > range.end || range.end > length {
            let message =
                format!("{} has {length} bytes, and its end names bytes behind them", path.display());
            return Err(Error::new(ErrorKind::DataCorrupted, message));
        }
        if length > SMALL_BYTES {
            return Ok(Bytes::from(reader.read(range).map_err(EngineError::from)?));
        }
        let bytes = if let Some(bytes) = whole.get() {
            bytes
        } else {
            let bytes = reader.read(0..length).map_err(EngineError::from)?;
            whole.get_or_init(|| Bytes::from(bytes))
        };
        Ok(bytes.slice(range.start as usize..range.end as usize))
    }
}

impl Length for PartBytes {
    fn len(&self) -> u64 {
        self.open.reader.bytes()
    }
}

impl ChunkReader for PartBytes {
    type T = PartStream;

    fn get_read(&self, start: u64) -> ParquetResult<PartStream> {
        Ok(PartStream { bytes: self.clone(), next: start, ready: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = start.saturating_add(length as u64);
        self.read(start..end).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// The bytes of a part from some offset on.
#[derive(Debug)]
pub(super) struct PartStream {
    bytes: PartBytes,
    next: u64,
    ready: Bytes,
}

impl Read for PartStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.ready.has_remaining() {
            // Up to the end of a block, because a block is checked as a whole.
            let end = (self.next / READ_BYTES + 1) * READ_BYTES;
            let end = end.min(self.bytes.len()).max(self.next);
            self.ready = self.bytes.read(self.next..end).map_err(io::Error::other)?;
            self.next = end;
        }
        let count = buffer.len().min(self.ready.remaining());
        let (Some(buffer), ready) = (buffer.get_mut(..count), self.ready.split_to(count)) else {
            return Ok(0);
        };
        buffer.copy_from_slice(&ready);
        Ok(count)
    }
}
