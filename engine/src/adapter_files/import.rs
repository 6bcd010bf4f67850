//! A file published as a version.

use std::path::{Path, PathBuf};

use hyprstream_models::LoraWeights;

use crate::adapter_files::format::{AdapterFormat, refused};
use crate::adapter_files::{nvdb, record};
use crate::adapters::matrices::put_weights;
use crate::adapters::name::check_name;
use crate::adapters::record::{VersionRecord, publish};
use crate::adapters::store::AdapterStore;
use crate::adapters::versions::{AdapterRow, find};
use crate::blocking::blocking;
use crate::clock::now_micros;
use crate::error::{Error, Result};
use crate::models::entry::ModelEntry;
use crate::models::registry::Registry;

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

pub(crate) async fn import(
    store: &AdapterStore,
    registry: &Registry,
    request: ImportRequest,
) -> Result<AdapterRow> {
    let ImportRequest { name, path, format, base_model } = request;
    check_name("name", &name)?;
    let record = record::read(&path)?;
    let model = registry.entry(Some(base_model.as_deref().unwrap_or(&record.base_model)))?;
    let store = store.clone();
    blocking(move || {
        let (weights, record) = read(&path, format, record, &model)?;
        let version = store.write(|transaction| {
            let version = transaction.next_version_number(&name)?.to_string();
            put_weights(transaction, &name, &version, &weights)?;
            publish(transaction, &name, &version, &record)?;
            Ok(version)
        })?;
        find(&store, &format!("{name}@{version}"))
    })
    .await
}

/// The weights of a file for a model, with the record of the version that they become.
fn read(
    path: &Path,
    format: AdapterFormat,
    record: VersionRecord,
    model: &ModelEntry,
) -> Result<(LoraWeights, VersionRecord)> {
    let files = model.files()?;
    if !files.has_hash(&record.base_hash) {
        return Err(Error::BaseMismatch {
            adapter: path.display().to_string(),
            expected: record.base_hash.to_string(),
            found: files.content_hash().to_string(),
        });
    }
    let weights = match format {
        AdapterFormat::Nvdb => nvdb::read(path, files.config(), &record)?,
    };
    weights.validate(files.config())?;
    let found = VersionRecord::new(&weights, &model.name, now_micros());
    if found.hash != record.hash {
        return Err(refused(path, "its weights are not those that its record names"));
    }
    let record = VersionRecord {
        base_model: found.base_model,
        created_at: found.created_at,
        target_modules: found.target_modules,
        parameters: found.parameters,
        // A run of the data directory that wrote the file is not known here.
        run_id: None,
        parent: path.file_name().map(|name| format!("file {}", name.to_string_lossy())),
        ..record
    };
    Ok((weights, record))
}
