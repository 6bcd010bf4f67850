//! A disk that dies: it keeps what was synced, and of the rest whatever chance leaves.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hyprstream_storage::backend::{StorageBackend, View};

use super::Rng;

#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
struct FileState {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<Pending>,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// From the call on, nothing works: the process is dead.
    Die,
    /// One write or growth fails with a full disk, having written a part.
    Full,
    /// One sync fails, and what it should have kept is lost.
    SyncFails,
}

#[derive(Debug, Default)]
struct DiskState {
    files: Vec<FileState>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    chance: u64,
    faults_met: u64,
}

/// A disk of two files; clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<DiskState>>);

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    index: usize,
    name: PathBuf,
}

impl Disk {
    pub fn new(contents: [Vec<u8>; 2], seed: u64) -> Self {
        let files = contents
            .into_iter()
            .map(|bytes| FileState {
                durable: bytes.clone(),
                current: bytes,
                pending: Vec::new(),
            })
            .collect();
        Self(Arc::new(Mutex::new(DiskState {
            files,
            chance: seed,
            ..DiskState::default()
        })))
    }

    pub fn backend(&self, index: usize) -> Arc<dyn StorageBackend> {
        Arc::new(DiskFile {
            disk: self.clone(),
            index,
            name: PathBuf::from(format!("file{index}")),
        })
    }

    /// The fault strikes at this many calls from now.
    pub fn plan(&self, calls: u64, fault: Fault) {
        let mut disk = self.0.lock().unwrap();
        let at = disk.calls + calls;
        disk.fault = Some((at, fault));
    }

    /// No fault strikes any more.
    pub fn heal(&self) {
        self.0.lock().unwrap().fault = None;
    }

    pub fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    pub fn fault_met(&self) -> bool {
        self.0.lock().unwrap().faults_met > 0
    }

    /// What the files hold after the machine lost power now.
    pub fn after_power_loss(&self, rng: &mut Rng) -> [Vec<u8>; 2] {
        let disk = self.0.lock().unwrap();
        [lose_power(&disk.files[0], rng), lose_power(&disk.files[1], rng)]
    }

    /// What the files hold after the process was killed now.
    pub fn after_kill(&self) -> [Vec<u8>; 2] {
        let disk = self.0.lock().unwrap();
        [disk.files[0].current.clone(), disk.files[1].current.clone()]
    }
}

fn lose_power(file: &FileState, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = file.durable.clone();
    let mut pending = file.pending.clone();
    if rng.below(2) == 0 {
        // Out of order.
        for i in (1..pending.len()).rev() {
            pending.swap(i, rng.below(i as u64 + 1) as usize);
        }
    }
    // How much survives varies from nothing to everything.
    let keep_percent = [0, 5, 50, 95, 100][rng.below(5) as usize];
    for operation in pending {
        match operation {
            Pending::SetLen(len) => {
                if rng.below(100) < keep_percent {
                    bytes.resize(len, 0);
                }
            }
            Pending::Write(offset, data) => match rng.below(4) {
                // Torn at sectors.
                0 => {
                    for (sector, part) in data.chunks(512).enumerate() {
                        if rng.below(100) < keep_percent {
                            put(&mut bytes, offset + sector * 512, part);
                        }
                    }
                }
                // Torn at any byte.
                1 => {
                    let upto = rng.below(data.len() as u64 + 1) as usize;
                    if rng.below(100) < keep_percent {
                        put(&mut bytes, offset, &data[..upto]);
                    }
                }
                _ => {
                    if rng.below(100) < keep_percent {
                        put(&mut bytes, offset, &data);
                    }
                }
            },
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

impl DiskState {
    /// Counts a call; the fault, if it strikes now and the call is of its kind.
    fn call(&mut self, is_sync: bool) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        self.calls += 1;
        let Some((at, fault)) = self.fault else {
            return Ok(None);
        };
        let suits = match fault {
            Fault::Die => true,
            Fault::Full => !is_sync,
            Fault::SyncFails => is_sync,
        };
        if self.calls < at || !suits {
            return Ok(None);
        }
        self.fault = None;
        self.faults_met += 1;
        if fault == Fault::Die {
            self.dead = true;
        }
        Ok(Some(fault))
    }
}

impl StorageBackend for DiskFile {
    fn path(&self) -> &Path {
        &self.name
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().unwrap().files[self.index].current.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.0.lock().unwrap();
        let fault = disk.call(false)?;
        if fault == Some(Fault::Full) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let file = &mut disk.files[self.index];
        file.pending.push(Pending::SetLen(len as usize));
        if fault.is_some() {
            return Err(io::Error::other("the process is dead"));
        }
        file.current.resize(len as usize, 0);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.0.lock().unwrap();
        let fault = disk.call(false)?;
        disk.chance = disk
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let part = match fault {
            None => bytes.len(),
            // The kernel copies a sector as a whole even when the process is killed meanwhile.
            Some(_) if bytes.len() <= 512 => bytes.len() * ((disk.chance >> 33) as usize % 2),
            Some(_) => (disk.chance >> 33) as usize % (bytes.len() + 1),
        };
        let file = &mut disk.files[self.index];
        put(&mut file.current, offset as usize, &bytes[..part]);
        file.pending
            .push(Pending::Write(offset as usize, bytes[..part].to_vec()));
        match fault {
            None => Ok(()),
            Some(Fault::Full) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(_) => Err(io::Error::other("the process is dead")),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.0.lock().unwrap();
        let fault = disk.call(true)?;
        let mut rng = Rng(disk.chance ^ disk.calls);
        let file = &mut disk.files[self.index];
        match fault {
            None => {
                file.durable = file.current.clone();
                file.pending.clear();
                Ok(())
            }
            Some(Fault::SyncFails) => {
                // As on Linux: the pages that could not be written are dropped, and the next sync says nothing.
                file.durable = lose_power(file, &mut rng);
                file.current = file.durable.clone();
                file.pending.clear();
                Err(io::Error::other("the disk did not take it"))
            }
            Some(_) => Err(io::Error::other("the process is dead")),
        }
    }

    fn view(&self, _len: u64) -> io::Result<Arc<dyn View>> {
        Ok(Arc::new(DiskView {
            disk: self.disk.clone(),
            index: self.index,
        }))
    }
}

#[derive(Debug)]
struct DiskView {
    disk: Disk,
    index: usize,
}

impl View for DiskView {
    fn bytes(&self, offset: u64, len: usize) -> io::Result<Cow<'_, [u8]>> {
        let disk = self.disk.0.lock().unwrap();
        let start = offset as usize;
        let found = start
            .checked_add(len)
            .and_then(|end| disk.files[self.index].current.get(start..end));
        found
            .map(|bytes| Cow::Owned(bytes.to_vec()))
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
