//! The model that comes with the program: compiled in, written into the data directory, then loaded like any other.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

const FILES: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../../models/bundled/config.json")),
    ("tokenizer.json", include_bytes!("../../../models/bundled/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../../models/bundled/tokenizer_config.json")),
    ("model.safetensors", include_bytes!("../../../models/bundled/model.safetensors")),
];

/// What named the directory's content before it was compared with the program's.
const FORMER_MARK: &str = "content.sha256";

/// Writes those of the model's files into `directory` that are not there or are not what the program holds: a newer program
/// replaces an older model, and damage is repaired.
pub(crate) fn materialise(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(Error::io("make the directory", directory))?;
    let mut is_changed = false;
    for (name, bytes) in FILES {
        let path = directory.join(name);
        if is_written(&path, bytes) {
            continue;
        }
        if path.exists() {
            tracing::warn!(path = %path.display(), "a file of the bundled model is not this program's; it is made anew");
        }
        write(&path, bytes)?;
        is_changed = true;
    }
    // It says nothing any more, so nothing depends on its going away.
    let _ = fs::remove_file(directory.join(FORMER_MARK));
    if is_changed {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(Error::io("sync", directory))?;
    }
    Ok(())
}

/// Whether a file can be read and holds these bytes.
fn is_written(path: &Path, bytes: &[u8]) -> bool {
    // A file of another length is not read, since it may be of any length.
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|found| found == bytes)
}

/// Replaces a file as a whole.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial).map_err(Error::io("create", &partial))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &partial))?;
    fs::rename(&partial, path).map_err(Error::io("rename", &partial))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{FILES, FORMER_MARK, materialise};

    #[test]
    fn any_flipped_bit_of_any_file_is_repaired_and_whole_files_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        materialise(directory.path()).unwrap();
        for (name, bytes) in FILES {
            let path = directory.path().join(name);
            for step in 0..50 {
                let at = step * (bytes.len() - 1) / 49;
                let mut damaged = bytes.to_vec();
                damaged[at] ^= 1 << (step % 8);
                fs::write(&path, damaged).unwrap();
                materialise(directory.path()).unwrap();
                assert!(fs::read(&path).unwrap() == bytes, "byte {at} of {name}");
            }
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            materialise(directory.path()).unwrap();
            assert!(fs::read(&path).unwrap() == bytes, "{name}");
        }
        let written = |name: &str| fs::metadata(directory.path().join(name)).unwrap().modified().unwrap();
        let before = FILES.map(|(name, _)| written(name));
        fs::remove_file(directory.path().join(FILES[1].0)).unwrap();
        fs::write(directory.path().join(FORMER_MARK), "0123").unwrap();
        materialise(directory.path()).unwrap();
        for (at, (name, _)) in FILES.iter().enumerate() {
            assert_eq!(written(name) == before[at], at != 1, "{name}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), FILES.len());
    }
}
