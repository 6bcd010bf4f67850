//! BEGIN, COMMIT and ROLLBACK.

use crate::session::core::Session;
use crate::session::transaction::Transaction;
use crate::statement::{Outcome, Severity};

pub(super) fn begin(session: &Session) -> Outcome {
    let mut transaction = session.transaction();
    if transaction.is_open {
        drop(transaction);
        session.notice(Severity::Warning, "there is already a transaction in progress");
    } else {
        *transaction = Transaction::open();
    }
    Outcome::command("BEGIN")
}

pub(super) fn commit(session: &Session) -> Outcome {
    let ended = std::mem::take(&mut *session.transaction());
    session.variables().end_local();
    if !ended.is_open {
        session.notice(Severity::Warning, "there is no transaction in progress");
    }
    if ended.failed {
        warn_of_writes(session, &ended);
        return Outcome::command("ROLLBACK");
    }
    Outcome::command("COMMIT")
}

pub(super) fn rollback(session: &Session) -> Outcome {
    let ended = std::mem::take(&mut *session.transaction());
    session.variables().end_local();
    if !ended.is_open {
        session.notice(Severity::Warning, "there is no transaction in progress");
    }
    warn_of_writes(session, &ended);
    Outcome::command("ROLLBACK")
}

fn warn_of_writes(session: &Session, ended: &Transaction) {
    if ended.writes > 0 {
        let message = format!(
            "{} of this block's statements changed data, and ROLLBACK does not undo them in this version: \
             each statement commits by itself",
            ended.writes
        );
        session.notice(Severity::Warning, message);
    }
}
