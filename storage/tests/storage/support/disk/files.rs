//! The disk's files and directory, as a store has them.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_storage::backend::{StorageBackend, StorageDirectory, View};

use super::{Call, Disk, Fault, FileState, Names, Pending, error_of, lose_power, put};
use crate::support::Rng;

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    index: usize,
    name: PathBuf,
}

impl StorageBackend for DiskFile {
    fn path(&self) -> &Path {
        &self.name
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.state();
        disk.plain(Call::Other)?;
        Ok(disk.files[self.index].current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.state();
        let shrinks = (len as usize) < disk.files[self.index].current.len();
        // A full disk lets go of space.
        disk.plain(if shrinks { Call::Other } else { Call::Write })?;
        let file = &mut disk.files[self.index];
        file.pending.push(Pending::SetLen(len as usize));
        file.current.resize(len as usize, 0);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.state();
        if disk.dead {
            return Err(error_of(Fault::Die));
        }
        let fault = disk.call(Call::Write);
        let chance = disk.chance();
        let part = match fault {
            None => bytes.len(),
            // The kernel copies a sector as a whole even when the process is killed meanwhile.
            Some(Fault::Die) if bytes.len() <= 512 => bytes.len() * (chance % 2),
            // None of it or all of it is likelier than any one part.
            Some(_) if chance.is_multiple_of(2) => bytes.len() * (chance / 2 % 2),
            Some(_) => chance / 2 % (bytes.len() + 1),
        };
        let file = &mut disk.files[self.index];
        if part > 0 {
            put(&mut file.current, offset as usize, &bytes[..part]);
            file.pending.push(Pending::Write(offset as usize, bytes[..part].to_vec()));
        }
        fault.map_or(Ok(()), |fault| Err(error_of(fault)))
    }

    fn sync(&self) -> io::Result<()> {
        let (time, begun) = {
            let disk = self.disk.state();
            (disk.sync_time, disk.files[self.index].pending.len())
        };
        if !time.is_zero() {
            std::thread::sleep(time);
        }
        let mut disk = self.disk.state();
        if disk.dead {
            return Err(error_of(Fault::Die));
        }
        let fault = disk.call(Call::Sync);
        let chance = disk.chance();
        disk.syncs += 1;
        let file = &mut disk.files[self.index];
        match fault {
            None => {
                file.keep(begun.min(file.pending.len()));
                Ok(())
            }
            Some(Fault::Die) => Err(error_of(Fault::Die)),
            Some(fault) => {
                // As on Linux: what could not be written is not tried again, and the next sync says nothing. Whether
                // readers go on seeing it depends on the file system.
                file.durable = lose_power(file, &mut Rng(chance as u64));
                if chance.is_multiple_of(2) {
                    file.current = file.durable.clone();
                }
                file.pending.clear();
                Err(error_of(fault))
            }
        }
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk.state();
        disk.plain(Call::Read)?;
        let start = offset as usize;
        let found = disk.files[self.index].current.get(start..start + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn view(&self, _len: u64) -> io::Result<Arc<dyn View>> {
        self.disk.state().plain(Call::Other)?;
        Ok(Arc::new(DiskView { disk: self.disk.clone(), index: self.index }))
    }
}

#[derive(Debug)]
struct DiskView {
    disk: Disk,
    index: usize,
}

impl View for DiskView {
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let mut disk = self.disk.state();
        if !disk.dead {
            // A reader of a map needs nobody that could be dead.
            disk.plain(Call::Read)?;
        }
        let start = offset as usize;
        let found = start.checked_add(len).and_then(|end| disk.files[self.index].current.get(start..end));
        found.map(|bytes| Cow::Owned(bytes.to_vec())).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Disk {
    /// Makes a call that changes nothing in the directory, and returns its names.
    fn names(&self, call: Call) -> io::Result<Names> {
        let mut disk = self.state();
        disk.plain(call)?;
        Ok(disk.directories.get(&self.directory).map(|directory| directory.names.clone()).unwrap_or_default())
    }

    /// Makes a call that changes the names of the directory.
    fn change(
        &self,
        call: Call,
        change: impl FnOnce(&mut Names, &mut Vec<FileState>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut disk = self.state();
        disk.plain(call)?;
        let disk = &mut *disk;
        let directory = disk.directories.entry(self.directory.clone()).or_default();
        let mut names = directory.names.clone();
        change(&mut names, &mut disk.files)?;
        directory.rename_all(names);
        Ok(())
    }

    fn file(&self, index: usize, called: &str) -> Arc<dyn StorageBackend> {
        Arc::new(DiskFile { disk: self.clone(), index, name: PathBuf::from(called) })
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.state().directories.get(&self.directory)?.names.get(name).copied()
    }
}

impl StorageDirectory for Disk {
    fn path(&self) -> &Path {
        &self.directory
    }

    fn contains(&self, name: &str) -> io::Result<bool> {
        Ok(self.names(Call::Other)?.contains_key(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names(Call::Other)?.into_keys().collect())
    }

    fn open(&self, name: &str, called: &str) -> io::Result<Arc<dyn StorageBackend>> {
        if let Some(index) = self.index_of(name) {
            self.state().plain(Call::Other)?;
            return Ok(self.file(index, called));
        }
        let mut index = 0;
        self.change(Call::Write, |names, files| {
            index = files.len();
            names.insert(name.to_owned(), index);
            files.push(FileState::default());
            Ok(())
        })?;
        Ok(self.file(index, called))
    }

    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn StorageBackend>> {
        let index = *self.names(Call::Other)?.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(index, name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(Call::Other, |names, _| {
            names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(Call::Other, |names, _| {
            let index = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            names.insert(to.to_owned(), index);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.state();
        disk.plain(Call::Sync)?;
        disk.syncs += 1;
        let directory = disk.directories.entry(self.directory.clone()).or_default();
        directory.durable_names = directory.names.clone();
        directory.pending_names.clear();
        Ok(())
    }
}
