//! How many requests of one client may wait in a model's queue; further ones wait at the caller.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::call::{CallContext, ClientId};
use crate::error::{Error, Result};

/// The clients of one model, each with as many permits as it may have requests in the queue.
#[derive(Debug)]
pub(crate) struct QueuePermits {
    capacity: usize,
    closed: AtomicBool,
    clients: Mutex<HashMap<ClientId, Weak<Semaphore>>>,
}

impl QueuePermits {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, closed: AtomicBool::new(false), clients: Mutex::new(HashMap::new()) }
    }

    /// Waits until the caller may queue another request, at most until its deadline. The permit is given back when it is
    /// dropped.
    pub(crate) async fn acquire(&self, call: &CallContext) -> Result<OwnedSemaphorePermit> {
        let arrived = Instant::now();
        let permits = self.permits_of(call.client());
        if self.closed.load(Ordering::Acquire) || call.is_past_deadline() {
            return Err(Error::Cancelled);
        }
        let permit = match call.deadline() {
            Some(deadline) => {
                timeout_at(deadline.into(), permits.acquire_owned()).await.map_err(|_| Error::Cancelled)?
            }
            None => permits.acquire_owned().await,
        };
        call.count_queue_time(arrived.elapsed());
        permit.map_err(|_| Error::Cancelled)
    }

    /// Ends every wait with an error.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for permits in self.clients.lock().values().filter_map(Weak::upgrade) {
            permits.close();
        }
    }

    fn permits_of(&self, client: ClientId) -> Arc<Semaphore> {
        let mut clients = self.clients.lock();
        if let Some(permits) = clients.get(&client).and_then(Weak::upgrade) {
            return permits;
        }
        clients.retain(|_, permits| permits.strong_count() > 0);
        let permits = Arc::new(Semaphore::new(self.capacity));
        clients.insert(client, Arc::downgrade(&permits));
        permits
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::QueuePermits;
    use crate::call::{CallContext, ClientId};
    use crate::error::Error;

    fn call(client: u64) -> CallContext {
        CallContext::new(ClientId(client), "ada")
    }

    #[tokio::test]
    async fn a_client_waits_for_its_own_requests_alone() {
        let permits = QueuePermits::new(1);
        let _first = permits.acquire(&call(1)).await.unwrap();
        drop(permits.acquire(&call(2)).await.unwrap());
        let soon = Instant::now() + Duration::from_millis(20);
        let late = call(1).with_deadline(soon);
        assert!(matches!(permits.acquire(&late).await, Err(Error::Cancelled)));
        assert!(Instant::now() >= soon);
    }

    #[tokio::test]
    async fn the_wait_is_counted_and_a_call_whose_time_is_up_is_not_admitted() {
        let permits = QueuePermits::new(1);
        let first = permits.acquire(&call(1)).await.unwrap();
        let second = call(1);
        let wait = Duration::from_millis(20);
        let release = async {
            tokio::time::sleep(wait).await;
            drop(first);
        };
        let (admitted, ()) = tokio::join!(permits.acquire(&second), release);
        assert!(admitted.is_ok() && second.usage().queue_time >= wait);
        let past = call(2).with_deadline(Instant::now());
        assert!(matches!(permits.acquire(&past).await, Err(Error::Cancelled)));
    }
}
