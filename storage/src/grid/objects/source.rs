//! Where objects are read from. Each one's checksum is verified before its bytes are used.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::traits::View;
use crate::checksum::crc32c;
use crate::error::{DisplayPath, Error, Result};
use crate::grid::format::object::{Kind, Malformed};
use crate::grid::format::reference::Ref;
use crate::grid::format::value::LeafError;
use crate::lock::DirectoryLock;

/// Reads objects.
pub(crate) trait Source {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// The bytes of an object, whose checksum is right. `what` names it in errors.
    fn bytes(&self, reference: &Ref, what: &'static str) -> Result<Cow<'_, [u8]>>;

    /// The bytes of an object, whose checksum and kind are right.
    fn object(&self, reference: &Ref, kind: Kind) -> Result<Cow<'_, [u8]>> {
        let bytes = self.bytes(reference, kind.name())?;
        if bytes.first() == Some(&kind.code()) {
            return Ok(bytes);
        }
        Err(self.malformed(reference, kind.name(), "it is an object of another kind"))
    }

    /// An error about a leaf whose checksum is right and whose decoding failed.
    fn refused_leaf(&self, reference: &Ref, what: &str, reason: LeafError) -> Error {
        match reason {
            LeafError::Malformed(reason) => self.malformed(reference, what, reason),
            LeafError::UnsupportedType(found) => {
                Error::UnsupportedType { path: DisplayPath(self.path().to_owned()), found }
            }
        }
    }

    /// An error about an object whose checksum is right and whose decoding failed.
    fn malformed(&self, reference: &Ref, what: &str, reason: Malformed) -> Error {
        Error::corrupt(self.path(), reference.offset(), what, reason)
    }
}

/// Objects of committed states.
#[derive(Clone, Debug)]
pub(crate) struct CommittedSource {
    pub(crate) path: Arc<PathBuf>,
    pub(crate) view: Arc<dyn View>,
    /// Kept locked while a snapshot lives, so that nobody else opens the file and writes where the snapshot reads.
    #[expect(dead_code, reason = "holding it is its use")]
    pub(crate) lock: Option<Arc<DirectoryLock>>,
}

impl Source for CommittedSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self, reference: &Ref, what: &'static str) -> Result<Cow<'_, [u8]>> {
        read_object(self.view.as_ref(), &self.path, reference, what)
    }
}

/// Reads an object through a view and checks it.
pub(crate) fn read_object<'a>(
    view: &'a dyn View,
    path: &Path,
    reference: &Ref,
    what: &'static str,
) -> Result<Cow<'a, [u8]>> {
    let bytes = view.bytes(reference.offset(), reference.len_bytes()).map_err(|e| {
        if e.kind() == std::io::ErrorKind::UnexpectedEof {
            Error::corrupt(path, reference.offset(), what, "the file ends before it")
        } else {
            Error::io("read", path, e)
        }
    })?;
    check_object(path, reference, what, &bytes)?;
    Ok(bytes)
}

/// Refuses bytes whose checksum is not the reference's.
pub(crate) fn check_object(path: &Path, reference: &Ref, what: &'static str, bytes: &[u8]) -> Result<()> {
    if crc32c(bytes) == reference.crc {
        return Ok(());
    }
    Err(Error::corrupt(path, reference.offset(), what, "its checksum does not match"))
}
