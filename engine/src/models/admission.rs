//! How many requests of one client may wait in a model's queue; further ones wait at the caller.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors::{Error, Result};

#[derive(Debug)]
pub(crate) struct Places {
    capacity: usize,
    closed: AtomicBool,
    clients: Mutex<HashMap<u64, Weak<Semaphore>>>,
}

impl Places {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, closed: AtomicBool::new(false), clients: Mutex::new(HashMap::new()) }
    }

    /// Waits for a place; it is free again when the permit is dropped.
    pub(crate) async fn take(&self, client: u64) -> Result<OwnedSemaphorePermit> {
        let places = self.of(client);
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        places.acquire_owned().await.map_err(|_| Error::Cancelled)
    }

    /// Ends every wait with an error.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for places in self.clients.lock().values().filter_map(Weak::upgrade) {
            places.close();
        }
    }

    fn of(&self, client: u64) -> Arc<Semaphore> {
        let mut clients = self.clients.lock();
        if let Some(places) = clients.get(&client).and_then(Weak::upgrade) {
            return places;
        }
        clients.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.capacity));
        clients.insert(client, Arc::downgrade(&places));
        places
    }
}
