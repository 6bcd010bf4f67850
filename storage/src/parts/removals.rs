//! Removing files, and holding that off while somebody copies the directory.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::backend::StorageDirectory;
use crate::error::{Error, Result};

/// The files that are to be removed once nobody holds the directory.
#[derive(Debug)]
pub(super) struct Removals {
    directory: Arc<dyn StorageDirectory>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    holds: usize,
    waiting: BTreeSet<String>,
}

impl Removals {
    pub(super) fn new(directory: Arc<dyn StorageDirectory>) -> Self {
        Self { directory, state: Mutex::default() }
    }

    /// Removes a file, if it is there: now, or when the last hold is dropped.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        // The lock is kept meanwhile, so that nothing is removed any more once a hold was handed out.
        let mut state = self.state.lock();
        if state.holds > 0 {
            state.waiting.insert(name.to_owned());
            return Ok(());
        }
        self.remove_now(name).map_err(|e| Error::io("remove", &self.directory.path().join(name), e))
    }

    fn remove_now(&self, name: &str) -> io::Result<()> {
        match self.directory.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    pub(super) fn hold(self: &Arc<Self>) -> RemovalHold {
        self.state.lock().holds += 1;
        RemovalHold { removals: Arc::clone(self) }
    }
}

/// While it is alive, no file of the directory is removed.
#[derive(Debug)]
pub struct RemovalHold {
    removals: Arc<Removals>,
}

impl Drop for RemovalHold {
    fn drop(&mut self) {
        let mut state = self.removals.state.lock();
        state.holds -= 1;
        if state.holds > 0 {
            return;
        }
        for name in std::mem::take(&mut state.waiting) {
            if let Err(error) = self.removals.remove_now(&name) {
                let file = self.removals.directory.path().join(&name);
                tracing::warn!(%error, file = %file.display(), "a file that nothing refers to could not be removed");
            }
        }
    }
}
