//! The answers of one statement: a deterministic call is made once.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

/// An answer, under way or done: an array that several rows may take values from.
pub(super) type Answer = Shared<BoxFuture<'static, Result<ArrayRef, Arc<DataFusionError>>>>;

/// More answers than this are not kept.
const CAPACITY: usize = 1 << 16;

/// What a call is identified by: its function and the values of its arguments.
pub(super) type Key = (String, Vec<ScalarValue>);

/// The answers of one statement, for all its operators.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    answers: Mutex<HashMap<Key, (Answer, usize)>>,
}

impl Memo {
    /// The answer to a call that was made before, and the index of its value.
    pub(super) fn get(&self, key: &Key) -> Option<(Answer, usize)> {
        self.answers.lock().get(key).cloned()
    }

    /// Keeps an answer for the calls that follow.
    pub(super) fn insert(&self, key: Key, answer: Answer, index: usize) {
        let mut answers = self.answers.lock();
        if answers.len() >= CAPACITY {
            answers.clear();
        }
        answers.insert(key, (answer, index));
    }
}
