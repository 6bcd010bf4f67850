//! The one error of this crate, sorted by whose fault it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by whose fault it is: the caller's, a resource's, the file's or ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller passed something that cannot be stored or asked for.
    #[error("invalid {name}: {reason}")]
    Argument {
        /// Which argument.
        name: &'static str,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// The caller named something that is not there.
    #[error("{kind} {name:?} does not exist")]
    NotFound {
        /// What kind of thing: adapter, version, matrix, tag.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The caller would create something that is there already.
    #[error("{kind} {name:?} exists already")]
    AlreadyExists {
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The caller would change a published version, which is immutable.
    #[error(
        "version {version:?} of adapter {adapter:?} is published and cannot change; branch it and change the branch"
    )]
    Sealed {
        /// The adapter.
        adapter: String,
        /// Its version.
        version: String,
    },
    /// Another process (or another handle of this one) has the directory open.
    #[error("{directory} is in use by {holder}")]
    Locked {
        /// The directory.
        directory: DisplayPath,
        /// Who holds it.
        holder: Holder,
    },
    /// The operating system refused a read, a write or a sync.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: DisplayPath,
        /// The operating system's reason; a full disk is [`io::ErrorKind::StorageFull`].
        source: io::Error,
    },
    /// A file does not hold what this crate wrote: `verify` says what is damaged, and `salvage` takes the rest over.
    #[error("{path} is damaged at byte {offset}: {what}: {reason}")]
    Corrupt {
        /// The file.
        path: DisplayPath,
        /// Where the damaged object begins.
        offset: u64,
        /// What the object held.
        what: String,
        /// How it is known to be damaged.
        reason: String,
    },
    /// The file was written by a version of the format that this build does not know.
    #[error("{path} has format version {found}, and this build reads version {supported}")]
    UnsupportedVersion {
        /// The file.
        path: DisplayPath,
        /// What its header says.
        found: u32,
        /// What this build reads.
        supported: u32,
    },
    /// The file holds a matrix of a type of numbers that other builds wrote and this one does not read. It is not
    /// damaged: the build that wrote it reads it.
    #[error("{path} holds a matrix of {found} numbers, and this build reads f32 and f16")]
    UnsupportedType {
        /// The file.
        path: DisplayPath,
        /// The type.
        found: &'static str,
    },
    /// A commit failed, and so did taking back what it had written. It is not visible and will be taken back before
    /// anything else is written, which every write tries first; but if the store is opened again before that
    /// succeeds, the commit may be there.
    #[error(
        "{failure}; taking it back failed too ({undoing}), so it may be there when the store is opened again"
    )]
    OutcomeUnknown {
        /// Why the commit failed.
        failure: Box<Self>,
        /// Why it could not be taken back.
        undoing: Box<Self>,
    },
    /// An invariant of this crate does not hold; nothing was written.
    #[error("internal error in the store: {0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn argument(name: &'static str, reason: impl Into<String>) -> Self {
        Self::Argument { name, reason: reason.into() }
    }

    pub(crate) fn internal(what: impl Into<String>) -> Self {
        Self::Internal(what.into())
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: DisplayPath(path.to_owned()), source }
    }

    pub(crate) fn corrupt(
        path: &Path,
        offset: u64,
        what: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Corrupt { path: DisplayPath(path.to_owned()), offset, what: what.into(), reason: reason.into() }
    }

    /// Replaces what a damaged object is said to have held.
    pub(crate) fn about(mut self, held: impl FnOnce() -> String) -> Self {
        if let Self::Corrupt { what, .. } = &mut self {
            *what = held();
        }
        self
    }

    /// Whether the disk was full: the store stays usable and the call can be made again once space returns.
    pub fn is_storage_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::OutcomeUnknown { failure, .. } => failure.is_storage_full(),
            _ => false,
        }
    }
}

/// A path that prints as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayPath(pub PathBuf);

impl fmt::Display for DisplayPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// Who holds a directory, as its lock file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The process, when the lock file names one.
    pub pid: Option<u32>,
    /// A free line of text that the holder left, such as the address its server listens on; may be empty.
    pub note: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        if self.note.is_empty() { Ok(()) } else { write!(f, " ({})", self.note) }
    }
}
