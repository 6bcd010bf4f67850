//! What was committed and what was promised about it, to be compared with what a store shows.

use hyprstream_storage::{Durability, GridStore};

use super::Model;

/// Committed states in order, and how far back each kind of crash may go.
pub struct Ledger {
    accepted: Vec<Model>,
    /// The newest state that survives the loss of power, and the newest that survives the end of the process.
    durable: usize,
    eventual: usize,
    /// States of which nobody knows whether an opening finds them: a commit under way, or with an unknown outcome.
    doubtful: Vec<Model>,
}

impl Ledger {
    pub fn new() -> Self {
        Self { accepted: vec![Model::default()], durable: 0, eventual: 0, doubtful: Vec::new() }
    }

    pub fn newest(&self) -> &Model {
        self.accepted.last().unwrap()
    }

    /// A commit of this state begins.
    pub fn attempt(&mut self, next: Model) {
        self.doubtful.push(next);
    }

    /// It succeeded.
    pub fn accept(&mut self, durability: Durability) {
        self.accepted.push(self.doubtful.pop().unwrap());
        self.doubtful.clear();
        match durability {
            Durability::None => {}
            Durability::Eventual => self.eventual = self.accepted.len() - 1,
            Durability::Immediate => self.all_durable(),
        }
    }

    /// Everything so far survives the loss of power.
    pub fn all_durable(&mut self) {
        self.durable = self.accepted.len() - 1;
        self.eventual = self.durable;
        self.doubtful.clear();
    }

    /// It was refused, and will not come back.
    pub fn refuse(&mut self) {
        self.doubtful.clear();
    }

    /// The live store shows this, after a failure that may have taken it back to what is durable.
    pub fn went_back_to(&mut self, found: &Model, what: &str) {
        let at = self.accepted.iter().rposition(|state| state == found);
        let Some(at) = at.filter(|at| *at >= self.durable) else {
            panic!(
                "{what}: the store shows a state that was not committed, or is older than what is durable"
            );
        };
        self.accepted.truncate(at + 1);
        self.eventual = self.eventual.min(at);
    }

    /// The outcome is unknown, and the store may have to go back to what is durable.
    pub fn may_go_back(&mut self) {
        self.eventual = self.durable;
    }

    /// What an opening found must be one of the states that a crash of this kind may leave.
    pub fn check_opening(&self, found: &Model, power: bool, what: &str) {
        let oldest = if power { self.durable } else { self.eventual };
        let known = self.accepted[oldest..].iter().chain(&self.doubtful);
        assert!(
            known.into_iter().any(|state| state == found),
            "{what}: found a state that is none of {oldest}..{} and {} doubtful ones (power {power})",
            self.accepted.len(),
            self.doubtful.len()
        );
    }

    /// The found state is the only one from now on.
    pub fn settle(&mut self, found: Model) {
        *self = Self { accepted: vec![found], ..Self::new() };
    }
}

/// What the newest snapshot shows.
pub fn live(store: &GridStore, what: &str) -> Model {
    Model::read(&store.snapshot()).unwrap_or_else(|error| panic!("{what}: {error}"))
}
