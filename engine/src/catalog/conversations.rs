//! Conversations: the messages so far, one request at a time. In SQL a conversation is a session.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::adapters::store::{AdapterStore, left_out};
use crate::blocking::blocking;
use crate::clock::now_micros;
use crate::error::{Error, Result};
use crate::json::{from_json, to_json};
use crate::requests::generate::Completion;

const PREFIX: &str = "session/";
const LONGEST_NAME: usize = 256;

/// A conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationRow {
    /// Its name.
    pub name: String,
    /// When its first request was made, in microseconds since the Unix epoch.
    pub created_at: i64,
    /// When its last request was made, likewise.
    pub last_used_at: i64,
    /// Model of its last request.
    pub model: String,
    /// Answers so far.
    pub turns: u64,
    /// Tokens of all its prompts.
    pub prompt_tokens: u64,
    /// Tokens of all its answers.
    pub completion_tokens: u64,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) content: String,
}

impl Turn {
    pub(crate) fn new(role: &str, content: &str) -> Self {
        Self { role: role.to_owned(), content: content.to_owned() }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Conversation {
    created_at: i64,
    last_used_at: i64,
    model: String,
    answers: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    turns: Vec<Turn>,
}

/// The conversations of a data directory.
#[derive(Debug)]
pub(crate) struct Conversations {
    store: AdapterStore,
    /// A lock for each conversation that is in use.
    locks: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

impl Conversations {
    pub(crate) fn new(store: AdapterStore) -> Self {
        Self { store, locks: Mutex::new(HashMap::new()) }
    }

    /// Opens a conversation for its next turn, waiting for a turn that is in progress.
    pub(crate) async fn turn(&self, name: &str, model: &str) -> Result<ConversationTurn> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
            let reason = format!("a session's name has 1 to {LONGEST_NAME} bytes and no NUL");
            return Err(Error::text_argument("session", name, reason));
        }
        let guard = self.lock_of(name).lock_owned().await;
        let key = format!("{PREFIX}{name}").into_bytes();
        let conversation = match self.store.snapshot().metadata(&key)? {
            Some(bytes) => from_json(&bytes, "a session")?,
            None => Conversation { created_at: now_micros(), ..Conversation::default() },
        };
        Ok(ConversationTurn {
            store: self.store.clone(),
            key,
            model: model.to_owned(),
            conversation,
            _guard: guard,
        })
    }

    /// The conversations, by name. One whose record is damaged is left out with a line in the log.
    pub(crate) fn rows(&self) -> Result<Vec<ConversationRow>> {
        let mut rows = Vec::new();
        for (key, value) in self.store.readable_records(PREFIX)? {
            match from_json::<Conversation>(&value, "a session") {
                Ok(conversation) => rows.push(ConversationRow {
                    name: String::from_utf8_lossy(key.get(PREFIX.len()..).unwrap_or_default()).into_owned(),
                    created_at: conversation.created_at,
                    last_used_at: conversation.last_used_at,
                    model: conversation.model,
                    turns: conversation.answers,
                    prompt_tokens: conversation.prompt_tokens,
                    completion_tokens: conversation.completion_tokens,
                }),
                Err(error) => left_out(&key, &error),
            }
        }
        Ok(rows)
    }

    fn lock_of(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock();
        if let Some(lock) = locks.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// A conversation held for one turn; a turn that is dropped leaves no trace.
#[derive(Debug)]
pub(crate) struct ConversationTurn {
    store: AdapterStore,
    key: Vec<u8>,
    model: String,
    conversation: Conversation,
    _guard: OwnedMutexGuard<()>,
}

impl ConversationTurn {
    pub(crate) fn history(&self) -> &[Turn] {
        &self.conversation.turns
    }

    /// Adds the question and its answer. The next turn of the conversation waits until that is done, be this future
    /// dropped or not.
    pub(crate) async fn commit(
        mut self,
        system: Option<String>,
        prompt: String,
        answer: Completion,
    ) -> Result<()> {
        let conversation = &mut self.conversation;
        if let (Some(system), true) = (&system, conversation.turns.is_empty()) {
            conversation.turns.push(Turn::new("system", system));
        }
        conversation.turns.push(Turn::new("user", &prompt));
        conversation.turns.push(Turn::new("assistant", &answer.text));
        conversation.model = std::mem::take(&mut self.model);
        conversation.last_used_at = now_micros();
        conversation.answers += 1;
        conversation.prompt_tokens += answer.prompt_tokens as u64;
        conversation.completion_tokens += answer.completion_tokens as u64;
        let bytes = to_json(conversation)?;
        // Another write, such as a compaction, may take long.
        blocking(move || {
            let put =
                self.store.write_eventually(|transaction| Ok(transaction.put_metadata(&self.key, &bytes)?));
            drop(self);
            put
        })
        .await
    }
}
