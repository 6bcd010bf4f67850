//! A version written to a file.

use std::path::Path;

use crate::adapter_files::format::AdapterFormat;
use crate::adapter_files::nvdb::{self, ExportedAdapter};
use crate::adapter_files::record;
use crate::adapters::name::parse_one;
use crate::adapters::resolve::resolve;
use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::error::Result;

pub(crate) async fn export(
    store: &AdapterStore,
    name: &str,
    path: &Path,
    format: AdapterFormat,
) -> Result<ExportedAdapter> {
    let snapshot = store.snapshot();
    let adapter = resolve(&snapshot, &parse_one(name)?)?;
    let path = path.to_owned();
    blocking(move || {
        record::write(&path, &adapter)?;
        match format {
            AdapterFormat::Nvdb => nvdb::write(&snapshot, &adapter, &path),
        }
    })
    .await
}
