//! Files as a data directory needs them: there as a whole or not at all, and durable.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Whether there is something of this name. Where that cannot be found out it is an error, so that nothing is taken for
/// missing.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().map_err(Error::io("look for", path))
}

/// Writes a file under another name and gives it its own once all of it is durable.
pub(crate) fn replace_file(directory: &Path, draft: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let (draft, path) = (directory.join(draft), directory.join(name));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(Error::io("write", &path))?;
    fs::rename(&draft, &path).map_err(Error::io("write", &path))?;
    sync_directory(directory)
}

/// Returns once the names in a directory are durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(Error::io("sync the directory", directory))
}

/// Returns once every file below a directory is durable under its name.
pub(crate) fn sync_tree(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io("list", directory))?);
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(Error::io("sync", &path))?;
        }
    }
    sync_directory(directory)
}
