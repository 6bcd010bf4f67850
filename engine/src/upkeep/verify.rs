//! A check of every byte of the weights and the recorded answers.

use std::path::Path;
use std::sync::Arc;

use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::error::Result;
use crate::recording::recorder::Recorder;
use crate::upkeep::damage::{DamageRow, damaged_answers, damaged_weights};

/// What [`crate::Engine::verify_store`] looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifiedStore {
    /// Pages of the weight store.
    pub pages: u64,
    /// Recorded answers.
    pub records: u64,
    /// Bytes of the weight store that are marked as used and that nothing refers to.
    pub leaked_bytes: u64,
    /// The damaged parts.
    pub damages: Vec<DamageRow>,
}

pub(crate) async fn verify(
    store: &AdapterStore,
    recorder: &Recorder,
    data_dir: &Path,
) -> Result<VerifiedStore> {
    let log = Arc::clone(recorder.caught_up()?);
    let (store, data_dir) = (store.clone(), data_dir.to_owned());
    blocking(move || {
        let (weights, answers) = (store.grid().verify()?, log.verify()?);
        let mut damages: Vec<DamageRow> = weights.damages.into_iter().map(damaged_weights).collect();
        damages.extend(answers.damages.into_iter().map(|damage| damaged_answers(damage, &data_dir)));
        Ok(VerifiedStore {
            pages: weights.objects,
            records: answers.records,
            leaked_bytes: weights.leaked_bytes,
            damages,
        })
    })
    .await
}
