//! The model that comes with the program: compiled in, written into the data directory, then loaded like any other.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use hyprstream_models::ContentHash;

use crate::error::{Error, Result};

const FILES: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../../models/bundled/config.json")),
    ("tokenizer.json", include_bytes!("../../../models/bundled/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../../models/bundled/tokenizer_config.json")),
    ("model.safetensors", include_bytes!("../../../models/bundled/model.safetensors")),
];

/// Names the directory's content, so that a newer program replaces an older model. Written last.
const MARK: &str = "content.sha256";

/// Writes the model's files into `directory`, unless they are there.
pub(crate) fn materialise(directory: &Path) -> Result<()> {
    let mark = directory.join(MARK);
    let content = content();
    if fs::read_to_string(&mark).is_ok_and(|found| found.trim() == content) {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(Error::io("make the directory", directory))?;
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("replace", &mark)(error));
        }
        _ => {}
    }
    for (name, bytes) in FILES {
        write(&directory.join(name), bytes)?;
    }
    write(&mark, content.as_bytes())
}

/// Names the content: by the hashes of the small files, and by the length and samples of the weights.
fn content() -> String {
    let small: Vec<u8> =
        FILES[..3].iter().flat_map(|(_, bytes)| ContentHash::of(bytes).as_bytes().to_vec()).collect();
    let weights = FILES[3].1;
    // A model that was trained on differs in every part of its weights, so samples tell two apart without reading
    // all of them at every start.
    let samples: Vec<u8> = weights.iter().step_by(4099).copied().collect();
    let parts = [small, weights.len().to_le_bytes().to_vec(), samples].concat();
    ContentHash::of(&parts).to_string()
}

/// Replaces a file as a whole.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial).map_err(Error::io("create", &partial))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &partial))?;
    fs::rename(&partial, path).map_err(Error::io("rename", &partial))
}
