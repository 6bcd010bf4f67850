//! Files of a table, kept as long as someone reads them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parking_lot::Mutex;

/// One file of a table. When the table no longer has it, it goes with its last reader.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    is_obsolete: AtomicBool,
}

impl Part {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, is_obsolete: AtomicBool::new(false) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Why its rows cannot be read, if they cannot. With `all` every row is, else only the end of the file, which says
    /// where they are.
    pub(super) fn fault(&self, all: bool) -> Option<String> {
        let read = || -> Result<(), String> {
            let file = File::open(&self.path).map_err(|e| e.to_string())?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
            if all {
                for rows in reader.build().map_err(|e| e.to_string())? {
                    rows.map_err(|e| e.to_string())?;
                }
            }
            Ok(())
        };
        read().err()
    }

    /// The table has it.
    pub(super) fn keep(&self) {
        self.is_obsolete.store(false, Ordering::Release);
    }

    /// The table no longer has it.
    pub(super) fn retire(&self) {
        self.is_obsolete.store(true, Ordering::Release);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a part that no table has could not be removed");
        }
    }
}

/// The parts that one statement reads, held until its rows are done.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    parts: Mutex<Vec<Arc<Part>>>,
}

impl Pins {
    pub(super) fn hold(&self, parts: &[Arc<Part>]) {
        self.parts.lock().extend(parts.iter().cloned());
    }
}
