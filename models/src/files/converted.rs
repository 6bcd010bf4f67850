//! The directory of converted models.
//!
//! A file's name ends with the SHA-256 of what it holds, so that it proves itself: a reader compares the two, and whatever
//! differs is made anew. It is written under another name, synced and renamed, and never changed afterwards. Any number
//! of threads and processes may convert the same model at once, since all write the same bytes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::content_hash::ContentHash;
use crate::error::{Error, Result};
use crate::gguf::GgufModel;

const EXTENSION: &str = "gguf";
const DRAFT: &str = "draft";
/// Hexadecimal digits of the content's hash that stand in a name.
const DIGITS: usize = 32;

/// A file with this beginning of its name that holds what its name says. Those that do not are removed.
pub(super) fn find(directory: &Path, stem: &str) -> Option<GgufModel> {
    let names = files(directory, EXTENSION).ok()?;
    names.into_iter().filter(|path| proof(path).is_some_and(|(found, _)| found == stem)).find_map(|path| {
        match open(&path) {
            Ok(model) => Some(model),
            Err(error) => {
                tracing::warn!(%error, "a converted model is damaged and is made anew");
                discard(&path);
                None
            }
        }
    })
}

/// Writes a file and names it after what was written.
pub(super) fn create(
    directory: &Path,
    stem: &str,
    write: impl FnOnce(&mut dyn Write, &Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
    let draft = draft_path(directory, stem);
    let written = write_draft(&draft, write).and_then(|hash| {
        let path = directory.join(format!("{stem}-{}.{EXTENSION}", digits(hash)));
        fs::rename(&draft, &path).map_err(Error::io("rename", &draft))?;
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(Error::io("sync", directory))?;
        Ok(path)
    });
    if written.is_err() {
        discard(&draft);
    }
    written
}

/// Opens a file of the directory, which must hold what its name says.
pub(super) fn open(path: &Path) -> Result<GgufModel> {
    let model = GgufModel::open(path)?;
    check(path, model.content_hash())?;
    Ok(model)
}

/// Reads every converted model in `directory` and returns those that do not hold what their names say, with the reason.
/// They answer nothing, since each is checked when it is opened, and can be deleted.
pub fn verify_converted(directory: &Path) -> Vec<(PathBuf, String)> {
    let verify = |path: PathBuf| {
        let hash = File::open(&path).and_then(|mut file| {
            let mut hash = Sha256::new();
            io::copy(&mut file, &mut hash).map(|_| ContentHash::from_bytes(hash.finalize().into()))
        });
        let checked = hash.map_err(Error::io("read", &path)).and_then(|hash| check(&path, hash));
        checked.err().map(|error| (path, error.to_string()))
    };
    match files(directory, EXTENSION) {
        Ok(files) => files.into_iter().filter_map(verify).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => vec![(directory.to_path_buf(), Error::io("list", directory)(error).to_string())],
    }
}

/// Removes what conversions that were broken off have left, and files of earlier versions, whose names prove nothing.
/// Nobody may be converting into `directory` meanwhile.
pub fn remove_leftovers(directory: &Path) {
    files(directory, DRAFT).unwrap_or_default().iter().for_each(|path| discard(path));
    let all = fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(|path| is_of_earlier_version(path)).for_each(|path| discard(&path));
}

/// Whether a name is the hash of a model and a type of weights, and no more. Drafts went by the same names and one more
/// extension.
fn is_of_earlier_version(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    let parts = name.and_then(|name| name.split_once(".gguf")?.0.split_once('-'));
    parts.is_some_and(|(model, weights)| model.parse::<ContentHash>().is_ok() && !weights.contains('-'))
}

fn check(path: &Path, hash: ContentHash) -> Result<()> {
    match proof(path) {
        Some((_, digits_of_name)) if digits_of_name == digits(hash) => Ok(()),
        Some(_) => Err(Error::invalid(path, "does not hold what it held when it was written")),
        None => Err(Error::invalid(path, "has a name that does not say what it should hold")),
    }
}

/// The two parts of a name: what the file is of, and the digits of its content's hash.
fn proof(path: &Path) -> Option<(&str, &str)> {
    let (stem, digits) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let is_hash = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hash.then_some((stem, digits))
}

fn digits(hash: ContentHash) -> String {
    let mut digits = hash.to_string();
    digits.truncate(DIGITS);
    digits
}

fn files(directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|path| path.extension() == Some(OsStr::new(extension)));
    files.sort();
    Ok(files)
}

/// A name that no other process and no other thread writes to.
fn draft_path(directory: &Path, stem: &str) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    directory.join(format!("{stem}-{}-{count}.{DRAFT}", process::id()))
}

fn write_draft(path: &Path, write: impl FnOnce(&mut dyn Write, &Path) -> Result<()>) -> Result<ContentHash> {
    let file = File::create_new(path).map_err(Error::io("create", path))?;
    let mut out = HashedFile { file: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new() };
    write(&mut out, path)?;
    let HashedFile { file, hash } = out;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error);
    file.and_then(|file| file.sync_all()).map_err(Error::io("write", path))?;
    Ok(ContentHash::from_bytes(hash.finalize().into()))
}

/// What remains is not in the way: it is overwritten, or seen to be damaged once more.
fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a file of the cache cannot be removed");
    }
}

struct HashedFile {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
