//! The files of a store in its directory.

use std::sync::Arc;

use crate::backend::directory::StorageDirectory;
use crate::backend::traits::StorageBackend;
use crate::error::{Error, Result};
use crate::grid::commit::recovery;

pub(crate) const DATA_FILE: &str = "grid.data";
pub(crate) const NEW_DATA_FILE: &str = "grid.data.new";
pub(crate) const WAL_FILE: &str = "grid.wal";
pub(crate) const LOCK_FILE: &str = "grid.lock";

/// Creates an empty data file.
pub(crate) fn create_file(directory: &dyn StorageDirectory) -> Result<()> {
    // Under another name first, so that a file of the right name is always a whole one.
    recovery::create(new_file(directory)?.as_ref())?;
    take_new_file(directory)
}

/// An empty file beside the data file.
pub(crate) fn new_file(directory: &dyn StorageDirectory) -> Result<Arc<dyn StorageBackend>> {
    if let Err(error) = directory.remove(NEW_DATA_FILE)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Error::io("remove", &directory.path().join(NEW_DATA_FILE), error));
    }
    open_file(directory, NEW_DATA_FILE, NEW_DATA_FILE)
}

/// Opens a file. Messages call it `called`, the name that it will have once it is renamed.
pub(crate) fn open_file(
    directory: &dyn StorageDirectory,
    name: &str,
    called: &str,
) -> Result<Arc<dyn StorageBackend>> {
    directory.open(name, called).map_err(|e| Error::io("open", &directory.path().join(name), e))
}

/// Makes the new file, which is synced, the data file; durable once the directory is synced.
pub(crate) fn take_new_file(directory: &dyn StorageDirectory) -> Result<()> {
    let renamed = directory.rename(NEW_DATA_FILE, DATA_FILE);
    renamed.map_err(|e| Error::io("rename", &directory.path().join(NEW_DATA_FILE), e))
}

/// Makes the names of the files durable.
pub(crate) fn sync_directory(directory: &dyn StorageDirectory) -> Result<()> {
    let synced = directory.sync();
    synced.map_err(|e| Error::io("sync the directory", directory.path(), e))
}

/// Whether there is a file of this name. Where that cannot be found out it is an error, so that nothing is replaced.
pub(crate) fn is_there(directory: &dyn StorageDirectory, name: &str) -> Result<bool> {
    let found = directory.contains(name);
    found.map_err(|e| Error::io("look for", &directory.path().join(name), e))
}
