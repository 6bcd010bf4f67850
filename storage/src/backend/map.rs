//! The one module of this crate with `unsafe`: a read-only map of a file that the same process writes.
#![expect(unsafe_code, reason = "mapping a file is unsafe: the argument is at the call")]

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap, MmapOptions};

/// Maps the first `len` bytes of `file`, some of which may lie past its present end.
pub(super) fn map_file(file: &File, len: usize) -> io::Result<Mmap> {
    // SAFETY: A map is sound while the bytes behind a `&[u8]` into it do not change and can be read.
    // - They do not change: the store hands out a reference only to objects that some committed root reaches,
    //   and its allocator gives an object's space to a new object only after no snapshot that reaches the old
    //   one is alive. Other processes are kept out by the lock that is taken before the file is opened; whoever
    //   ignores an advisory lock and writes the file voids this, as with every database that maps its file.
    // - They can be read: `FileView::bytes` refuses ranges past the file's present length, which the caller
    //   tracks, and the file is never made shorter while a view of the part that is cut off can be used.
    // A medium that fails while a page is read in raises SIGBUS, which ends the process without undefined
    // behaviour.
    let map = unsafe { MmapOptions::new().len(len).map(file) }?;
    // Reads are scattered over objects of a few kilobytes; failing to say so costs only speed.
    let _ = map.advise(Advice::Random);
    Ok(map)
}
