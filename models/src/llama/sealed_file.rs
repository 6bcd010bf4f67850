//! Files in memory that llama.cpp reads and maps, and that nobody can change or shorten any more.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// What may not happen to a file once it is written: growing, shrinking, writing, and another set of seals.
const SEALS: libc::c_int = libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;

/// A sealed file. Its memory is given back when it is dropped and no map of it is left.
#[derive(Debug)]
pub(super) struct SealedFile(File);

/// The file while it is written.
pub(super) struct Unsealed {
    out: BufWriter<File>,
}

impl SealedFile {
    /// Makes a file of what `write` writes.
    pub(super) fn write(write: impl FnOnce(&mut Unsealed) -> Result<()>) -> Result<Self> {
        let mut unsealed = Unsealed { out: BufWriter::with_capacity(1 << 16, create(c"hyprstream")?) };
        write(&mut unsealed)?;
        let file = unsealed.out.into_inner().map_err(|error| no_memory(&error.into_error()))?;
        // SAFETY: the descriptor is open, and adding seals changes nothing but what may be done to its file.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } < 0 {
            return Err(no_memory(&io::Error::last_os_error()));
        }
        // A map that could be made writable is refused, so the file is opened once more, for reading alone.
        File::open(path_of(&file)).map(Self).map_err(|error| no_memory(&error))
    }

    /// A path by which this process opens the file while it is alive.
    pub(super) fn path(&self) -> PathBuf {
        path_of(&self.0)
    }
}

impl Unsealed {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| no_memory(&error))
    }

    /// Lengthens the file with zeros, which take no memory.
    pub(super) fn lengthen(&mut self, length: u64) -> Result<()> {
        let flushed = self.out.flush().and_then(|()| self.out.get_ref().set_len(length));
        flushed.map_err(|error| no_memory(&error))
    }

    /// The file as a writer, whose errors [`no_memory`] names.
    pub(super) fn writer(&mut self) -> &mut impl Write {
        &mut self.out
    }
}

pub(super) fn no_memory(error: &io::Error) -> Error {
    Error::Resource(format!("could not write a file in memory: {error}"))
}

fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn create(name: &CStr) -> Result<File> {
    // SAFETY: the name is a live C string.
    let descriptor =
        unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if descriptor < 0 {
        return Err(no_memory(&io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is new, valid and owned by nobody else.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_sealed_file_holds_what_was_written_and_takes_no_other_writes() {
        let file = SealedFile::write(|out| {
            out.write_all(b"weights")?;
            out.lengthen(1 << 40)
        })
        .unwrap();
        assert_eq!(fs::metadata(file.path()).unwrap().len(), 1 << 40);
        let mut head = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(&file.0, &mut head, 0).unwrap();
        assert_eq!(&head, b"weights\0");
        let again = File::options().write(true).open(file.path()).unwrap();
        assert!((&again).write_all(b"others").is_err());
        assert!(again.set_len(3).is_err());
        assert!(again.set_len(2 << 40).is_err());
    }
}
