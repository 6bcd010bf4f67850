//! Cancel requests: who may stop which connection's statement.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

/// The switch that stops a connection's running statement.
#[derive(Debug, Default)]
pub(crate) struct CancelSwitch {
    running: AtomicBool,
    cancelled: AtomicBool,
    changed: Notify,
}

impl CancelSwitch {
    /// Stops the running statement; without one nothing happens, as in Postgres.
    pub(crate) fn cancel(&self) {
        if self.running.load(Ordering::SeqCst) {
            self.cancelled.store(true, Ordering::SeqCst);
            self.changed.notify_waiters();
        }
    }

    /// Completes once the running statement is cancelled.
    pub(crate) async fn cancelled(&self) {
        loop {
            let changed = self.changed.notified();
            if self.cancelled.load(Ordering::SeqCst) {
                return;
            }
            changed.await;
        }
    }
}

/// A statement that runs until this is dropped, and that a cancel request stops meanwhile.
#[derive(Debug)]
#[must_use = "the statement is over once this is dropped"]
pub(crate) struct RunningStatement(Arc<CancelSwitch>);

impl RunningStatement {
    pub(crate) fn begin(switch: &Arc<CancelSwitch>) -> Self {
        // A request that came before concerned an earlier statement.
        switch.cancelled.store(false, Ordering::SeqCst);
        switch.running.store(true, Ordering::SeqCst);
        Self(Arc::clone(switch))
    }
}

impl Drop for RunningStatement {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::SeqCst);
    }
}

/// The secret and the switch of each process id.
type OpenConnections = HashMap<i32, ([u8; 4], Weak<CancelSwitch>)>;

/// All open connections, by the process id that each was given.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    next_process: AtomicI32,
    open: Mutex<OpenConnections>,
}

/// A connection's entry, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    connections: Arc<Connections>,
    pub process: i32,
    pub secret: [u8; 4],
    pub switch: Arc<CancelSwitch>,
}

impl Connections {
    /// Enters a new connection.
    pub(crate) fn register(self: &Arc<Self>) -> Registration {
        let process = self.next_process.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let secret: [u8; 4] = rand::random();
        let switch = Arc::new(CancelSwitch::default());
        self.open.lock().insert(process, (secret, Arc::downgrade(&switch)));
        Registration { connections: Arc::clone(self), process, secret, switch }
    }

    /// Serves a cancel request; a wrong secret is ignored without a word, as the protocol asks.
    pub(crate) fn cancel(&self, process: i32, secret: &[u8]) {
        let switch = match self.open.lock().get(&process) {
            Some((expected, switch)) if bool::from(expected[..].ct_eq(secret)) => switch.upgrade(),
            _ => None,
        };
        if let Some(switch) = switch {
            switch.cancel();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cancelled(switch: &CancelSwitch) -> bool {
        switch.cancelled.load(Ordering::SeqCst)
    }

    #[test]
    fn only_the_right_secret_stops_a_running_statement() {
        let connections = Arc::new(Connections::default());
        let registration = connections.register();
        let _running = RunningStatement::begin(&registration.switch);
        let mut wrong = registration.secret;
        wrong[0] ^= 1;
        connections.cancel(registration.process, &wrong);
        connections.cancel(registration.process, &registration.secret[..3]);
        assert!(!is_cancelled(&registration.switch));
        connections.cancel(registration.process, &registration.secret);
        assert!(is_cancelled(&registration.switch));
    }

    #[test]
    fn a_request_between_statements_does_not_stop_the_next_one() {
        let connections = Arc::new(Connections::default());
        let registration = connections.register();
        drop(RunningStatement::begin(&registration.switch));
        connections.cancel(registration.process, &registration.secret);
        let _running = RunningStatement::begin(&registration.switch);
        assert!(!is_cancelled(&registration.switch));
    }

    #[test]
    fn a_closed_connection_leaves_no_entry() {
        let connections = Arc::new(Connections::default());
        drop(connections.register());
        assert!(connections.open.lock().is_empty());
    }
}
