//! A disk that fails and dies: it keeps what was synced, and of the rest whatever chance leaves.

mod files;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyprstream_storage::backend::StorageDirectory;

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

type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default)]
struct DirectoryState {
    names: Names,
    /// The names that survive the loss of power, and every state of them since.
    durable_names: Names,
    pending_names: Vec<Names>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing works any more: the process is dead.
    Die,
    /// Any call but a read fails.
    Error,
    /// A read fails.
    ReadFails,
    /// Writes and growth fail for want of space.
    Full,
    /// Syncs too, as on a disk that finds space when it must.
    FullAtSync,
    /// A sync fails.
    SyncFails,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    fault: Fault,
    from: u64,
    left: u64,
}

#[derive(Clone, Debug, Default)]
struct DiskState {
    files: Vec<FileState>,
    directories: BTreeMap<PathBuf, DirectoryState>,
    calls: u64,
    reads: u64,
    syncs: u64,
    plan: Option<Plan>,
    dead: bool,
    spared: bool,
    chance: u64,
    faults_met: u64,
    sync_time: Duration,
}

/// A disk, and one of its directories; clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<DiskState>>,
    directory: PathBuf,
}

/// Which faults a call can meet.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    Read,
    Write,
    Sync,
    Other,
}

impl Disk {
    /// A disk with nothing on it.
    pub fn empty(seed: u64) -> Self {
        Self::of(DiskState { chance: seed, ..DiskState::default() })
    }

    fn of(state: DiskState) -> Self {
        Self { state: Arc::new(Mutex::new(state)), directory: PathBuf::from("disk") }
    }

    fn state(&self) -> MutexGuard<'_, DiskState> {
        self.state.lock().unwrap()
    }

    /// A directory of the same disk, which is there and durable. Faults and crashes strike all of them at once, and the
    /// names of each are made durable by its own sync alone.
    pub fn subdirectory(&self, name: &str) -> Self {
        Self { state: Arc::clone(&self.state), directory: self.directory.join(name) }
    }

    pub fn directory(&self) -> Arc<dyn StorageDirectory> {
        Arc::new(self.clone())
    }

    /// From so many calls from now on, so many calls that can meet the fault do.
    pub fn plan(&self, calls: u64, lasting: u64, fault: Fault) {
        let mut disk = self.state();
        let now = if fault == Fault::ReadFails { disk.reads } else { disk.calls };
        disk.plan = Some(Plan { fault, from: now + calls, left: lasting });
    }

    /// No fault strikes any more.
    pub fn heal(&self) {
        self.state().plan = None;
    }

    /// Does something that is not a part of what is tried: no call counts, and none fails.
    pub fn spare<R>(&self, work: impl FnOnce() -> R) -> R {
        self.state().spared = true;
        let result = work();
        self.state().spared = false;
        result
    }

    /// Every sync takes this long, and keeps only what was written before it began.
    pub fn set_sync_time(&self, time: Duration) {
        self.state().sync_time = time;
    }

    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub fn faults_met(&self) -> u64 {
        self.state().faults_met
    }

    /// Calls that were made, and reads.
    pub fn calls(&self) -> (u64, u64) {
        let disk = self.state();
        (disk.calls, disk.reads)
    }

    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// What is on the disk after the process was killed now: everything, and what was not synced is still not.
    pub fn after_kill(&self) -> Self {
        let old = self.state();
        let new = DiskState {
            files: old.files.clone(),
            directories: old.directories.clone(),
            chance: old.chance,
            ..DiskState::default()
        };
        Self::of(new)
    }

    /// What is on the disk after the machine lost power now.
    pub fn after_power_loss(&self, rng: &mut Rng) -> Self {
        let old = self.state();
        let directories = old.directories.iter().map(|(path, directory)| {
            let kept = rng.below(directory.pending_names.len() as u64 + 1) as usize;
            let names = match kept {
                0 => &directory.durable_names,
                _ => &directory.pending_names[kept - 1],
            };
            let (names, durable_names) = (names.clone(), names.clone());
            (path.clone(), DirectoryState { names, durable_names, pending_names: Vec::new() })
        });
        let directories = directories.collect();
        let files = old.files.iter().map(|file| {
            let bytes = lose_power(file, rng);
            FileState { durable: bytes.clone(), current: bytes, pending: Vec::new() }
        });
        let new =
            DiskState { files: files.collect(), directories, chance: rng.next(), ..DiskState::default() };
        Self::of(new)
    }
}

fn lose_power(file: &FileState, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = file.durable.clone();
    let mut pending: Vec<&Pending> = file.pending.iter().collect();
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
                    bytes.resize(*len, 0);
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
                        put(&mut bytes, *offset, &data[..upto]);
                    }
                }
                _ => {
                    if rng.below(100) < keep_percent {
                        put(&mut bytes, *offset, data);
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

impl FileState {
    /// The first so many operations reach the disk.
    fn keep(&mut self, operations: usize) {
        for operation in self.pending.drain(..operations) {
            match operation {
                Pending::Write(offset, data) => put(&mut self.durable, offset, &data),
                Pending::SetLen(len) => self.durable.resize(len, 0),
            }
        }
    }
}

fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::Die => io::Error::other("the process is dead"),
        Fault::Full | Fault::FullAtSync => io::ErrorKind::StorageFull.into(),
        Fault::Error | Fault::ReadFails | Fault::SyncFails => io::Error::other("the disk did not take it"),
    }
}

impl DiskState {
    /// Counts a call; the fault, if it strikes now and the call can meet it.
    fn call(&mut self, call: Call) -> Option<Fault> {
        if self.dead {
            return Some(Fault::Die);
        }
        if self.spared {
            return None;
        }
        let now = if call == Call::Read { &mut self.reads } else { &mut self.calls };
        *now += 1;
        let now = *now;
        let plan = self.plan.as_mut()?;
        let suits = match plan.fault {
            Fault::Die | Fault::Error => call != Call::Read,
            Fault::ReadFails => call == Call::Read,
            Fault::Full => call == Call::Write,
            Fault::FullAtSync => matches!(call, Call::Write | Call::Sync),
            Fault::SyncFails => call == Call::Sync,
        };
        if now < plan.from || plan.left == 0 || !suits {
            return None;
        }
        plan.left -= 1;
        self.faults_met += 1;
        self.dead |= plan.fault == Fault::Die;
        Some(plan.fault)
    }

    fn chance(&mut self) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) as usize
    }

    /// A call that does nothing when it fails.
    fn plain(&mut self, call: Call) -> io::Result<()> {
        self.call(call).map_or(Ok(()), |fault| Err(error_of(fault)))
    }
}

impl DirectoryState {
    fn rename_all(&mut self, names: Names) {
        self.names = names;
        self.pending_names.push(self.names.clone());
    }
}
