//! Adapters as files: written by one data directory, read by another.
//!
//! A file holds the weights; beside it stands the version's record, which names the base model by its content hash
//! and the weights by theirs. An import is refused when either does not match.

mod nvdb;
mod record;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::adapter_name::{check_name, parse_one};
use crate::adapter_store::{VersionRecord, put_weights, resolve};
use crate::adapters::publish;
use crate::clock::now_micros;
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::rows::AdapterRow;
use crate::runtime::blocking;

pub use record::record_path;

/// How the weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterFormat {
    /// A `NanoVDB` float grid whose active voxels are the active weights.
    Nvdb,
}

impl FromStr for AdapterFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "nvdb" => Ok(Self::Nvdb),
            _ => Err(Error::argument("format", format!("'{name}'"), "the format is nvdb")),
        }
    }
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedAdapter {
    /// The adapter.
    pub name: String,
    /// The version that was written.
    pub version: u64,
    /// Matrices in the file.
    pub matrices: u64,
    /// Active weights in it.
    pub active_values: u64,
    /// Its length.
    pub bytes: u64,
}

/// A request to read an adapter from a file.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The adapter whose next version the weights become.
    pub name: String,
    /// The file; its record stands at [`record_path`].
    pub path: PathBuf,
    /// How the weights are written there.
    pub format: AdapterFormat,
    /// The model to use it with; `None` is the one of that name that it was trained on.
    pub base_model: Option<String>,
}

impl Engine {
    /// Writes a version (`name`, `name@version` or `name@tag`) to a file and its record beside it. Each of the two
    /// replaces a file of that name as a whole or not at all.
    pub async fn export_adapter(
        &self,
        name: &str,
        path: &Path,
        format: AdapterFormat,
    ) -> Result<ExportedAdapter> {
        let snapshot = self.adapter_store.snapshot();
        let adapter = resolve(&snapshot, &parse_one(name)?)?;
        let path = path.to_owned();
        blocking(move || {
            record::write(&path, &adapter)?;
            let AdapterFormat::Nvdb = format;
            nvdb::write(&snapshot, &adapter, &path)
        })
        .await
    }

    /// Publishes the weights of a file as the next version of an adapter. Refused when the file was not written for
    /// the base model, does not fit it, or does not hold the weights that its record names.
    pub async fn import_adapter(&self, request: ImportRequest) -> Result<AdapterRow> {
        let ImportRequest { name, path, format, base_model } = request;
        check_name(&name).map_err(|reason| Error::argument("name", format!("\"{name}\""), reason))?;
        let record = record::read(&path)?;
        let slot = self.slot(Some(base_model.as_deref().unwrap_or(&record.base_model)))?;
        let store = self.adapter_store.clone();
        let label = blocking(move || {
            let files = slot.files()?;
            if files.content_hash() != record.base_hash {
                return Err(Error::BaseMismatch {
                    adapter: path.display().to_string(),
                    expected: record.base_hash.to_string(),
                    found: files.content_hash().to_string(),
                });
            }
            let AdapterFormat::Nvdb = format;
            let weights = nvdb::read(&path, files.config(), &record)?;
            weights.validate(files.config())?;
            let found = VersionRecord::of(&weights, &slot.name, now_micros());
            if found.hash != record.hash {
                return Err(refused(&path, "its weights are not those that its record names"));
            }
            let record = VersionRecord {
                base_model: slot.name.clone(),
                created_at: found.created_at,
                target_modules: found.target_modules,
                parameters: found.parameters,
                // A run of the data directory that wrote the file is not known here.
                run_id: None,
                parent: path.file_name().map(|name| format!("file {}", name.to_string_lossy())),
                ..record
            };
            store.write(|transaction| {
                let version = transaction.next_version_number(&name)?.to_string();
                put_weights(transaction, &name, &version, &weights)?;
                publish(transaction, &name, &version, &record)?;
                Ok(format!("{name}@{version}"))
            })
        })
        .await?;
        self.adapter(&label)
    }
}

/// The error for a file that is not an adapter of this model.
fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::argument("path", format!("\"{}\"", path.display()), reason)
}
