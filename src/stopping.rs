//! How a server stops: it first lets running statements finish, then cancels them.

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Draining,
    Cancelling,
}

/// Stops the server.
#[derive(Debug)]
pub(crate) struct StopSwitch(watch::Sender<Phase>);

/// Learns that the server stops; every listener and connection has one.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(watch::Receiver<Phase>);

impl StopSwitch {
    pub(crate) fn new() -> (Self, Stopping) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (Self(sender), Stopping(receiver))
    }

    /// No new statements; those that run may finish.
    pub(crate) fn drain(&self) {
        self.0.send_replace(Phase::Draining);
    }

    /// Running statements are cancelled.
    pub(crate) fn force(&self) {
        self.0.send_replace(Phase::Cancelling);
    }
}

impl Stopping {
    /// Completes once the server is to stop.
    pub(crate) async fn requested(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Completes once running statements are to be cancelled.
    pub(crate) async fn forced(&mut self) {
        self.reached(Phase::Cancelling).await;
    }

    async fn reached(&mut self, phase: Phase) {
        // A switch that was dropped means that the process ends.
        let _ = self.0.wait_for(|current| *current >= phase).await;
    }
}
