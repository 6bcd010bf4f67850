//! What the store asks of a file.

use std::borrow::Cow;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file of bytes. All methods take `&self` and may be called from any thread.
pub trait StorageBackend: Send + Sync + Debug {
    /// What to call it in messages.
    fn path(&self) -> &Path;

    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Makes it longer, with zeros, or shorter.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, or fails having written any part of them.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written before the call is durable.
    fn sync(&self) -> io::Result<()>;

    /// Fills `bytes` with what is at `offset`; an error when the file ends before. Unlike a view, it stands a file that
    /// another process makes shorter meanwhile.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).ok_or_else(past_the_end)?;
        bytes.copy_from_slice(&self.view(end)?.bytes(offset, bytes.len())?);
        Ok(())
    }

    /// A view of at least the first `len` bytes, which must exist.
    fn view(&self, len: u64) -> io::Result<Arc<dyn View>>;
}

/// Read access to a file. Bytes that are not written any more do not change while the view lives; the store knows
/// which bytes those are.
pub trait View: Send + Sync + Debug {
    /// `len` bytes at `offset`; an error when they lie past the end. Borrowed when the file is mapped.
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>>;
}

/// The error of a read past the end.
pub(super) fn past_the_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "past the end of the file")
}
