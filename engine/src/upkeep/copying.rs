//! Copying whole directories. Where the file system shares the blocks of copies (btrfs, xfs), these do.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::upkeep::damage::{DamageRow, damaged_file};

/// Refuses a directory, which exists, inside the one that is copied.
pub(super) fn expect_apart(from: &Path, into: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().map_err(Error::io("open", path));
    if real(into)?.starts_with(real(from)?) {
        let reason = format!("{} is inside {}", into.display(), from.display());
        return Err(Error::Refused(reason));
    }
    Ok(())
}

/// Copies a part of a data directory into another. A file that cannot be read is noted as lost.
pub(super) fn copy_tree(data_dir: &Path, into: &Path, part: &Path, lost: &mut Vec<DamageRow>) -> Result<()> {
    let (from, to) = (data_dir.join(part), into.join(part));
    let Ok(metadata) = fs::symlink_metadata(&from) else {
        return Ok(());
    };
    if metadata.is_symlink() {
        return copy_link(&from, &to);
    }
    if metadata.is_file() {
        return match fs::copy(&from, &to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Err(Error::io("write", &to)(error))
            }
            Err(error) => {
                lost.push(damaged_file(part, "a file", error.to_string()));
                fs::remove_file(&to).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(Error::io("remove", &to)(error)),
                })
            }
        };
    }
    if !metadata.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&to).map_err(Error::io("make the directory", &to))?;
    match fs::read_dir(&from) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(Error::io("list", &from))?;
                copy_tree(data_dir, into, &part.join(entry.file_name()), lost)?;
            }
        }
        Err(error) => lost.push(damaged_file(part, "a directory", error.to_string())),
    }
    Ok(())
}

/// Makes a link to what another link means.
pub(super) fn copy_link(from: &Path, to: &Path) -> Result<()> {
    let target = from.canonicalize().or_else(|_| fs::read_link(from));
    let target: PathBuf = target.map_err(Error::io("read the link", from))?;
    std::os::unix::fs::symlink(target, to).map_err(Error::io("make the link", to))
}
