//! Transaction blocks. Each statement commits by itself; a block only remembers whether it failed.

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::{Session, command};
use crate::error::{Error, ErrorKind, Result};
use crate::statement::{Outcome, Severity, TransactionStatus};

/// Where a session stands.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    is_open: bool,
    failed: bool,
    writes: usize,
}

impl Transaction {
    pub(super) fn status(&self) -> TransactionStatus {
        match (self.is_open, self.failed) {
            (false, _) => TransactionStatus::Idle,
            (true, false) => TransactionStatus::InBlock,
            (true, true) => TransactionStatus::Failed,
        }
    }

    pub(super) fn fail(&mut self) {
        self.failed = self.is_open;
    }

    pub(super) fn wrote(&mut self) {
        if self.is_open {
            self.writes += 1;
        }
    }

    /// A failed block takes nothing but its end.
    pub(super) fn expect_usable(&self, ast: &Ast) -> Result<()> {
        let ends = match ast {
            Ast::Statement(statement) => {
                matches!(statement.as_ref(), SqlStatement::Commit { .. } | SqlStatement::Rollback { .. })
            }
            _ => false,
        };
        if self.failed && !ends {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Error::new(ErrorKind::InFailedTransaction, message));
        }
        Ok(())
    }
}

impl Session {
    pub(super) fn begin(&self) -> Outcome {
        let mut transaction = self.transaction();
        if transaction.is_open {
            drop(transaction);
            self.notice(Severity::Warning, "there is already a transaction in progress");
        } else {
            *transaction = Transaction { is_open: true, ..Transaction::default() };
        }
        command("BEGIN")
    }

    pub(super) fn commit(&self) -> Outcome {
        let ended = std::mem::take(&mut *self.transaction());
        self.variables().end_local();
        if !ended.is_open {
            self.notice(Severity::Warning, "there is no transaction in progress");
        }
        if ended.failed {
            self.warn_of_writes(&ended);
            return command("ROLLBACK");
        }
        command("COMMIT")
    }

    pub(super) fn rollback(&self) -> Outcome {
        let ended = std::mem::take(&mut *self.transaction());
        self.variables().end_local();
        if !ended.is_open {
            self.notice(Severity::Warning, "there is no transaction in progress");
        }
        self.warn_of_writes(&ended);
        command("ROLLBACK")
    }

    fn warn_of_writes(&self, ended: &Transaction) {
        if ended.writes > 0 {
            let message = format!(
                "{} of this block's statements changed data, and ROLLBACK does not undo them in this version: \
                 each statement commits by itself",
                ended.writes
            );
            self.notice(Severity::Warning, message);
        }
    }
}
