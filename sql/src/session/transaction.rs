//! A transaction block. Each statement commits by itself; a block only remembers whether it failed.

use datafusion::sql::parser::Statement as Ast;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::error::{Error, ErrorKind, Result};
use crate::statement::TransactionStatus;

/// The transaction block of a session, if it is in one.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) is_open: bool,
    pub(crate) failed: bool,
    /// Statements of the block that changed something.
    pub(crate) writes: usize,
}

impl Transaction {
    pub(crate) fn open() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    pub(crate) fn status(&self) -> TransactionStatus {
        match (self.is_open, self.failed) {
            (false, _) => TransactionStatus::Idle,
            (true, false) => TransactionStatus::InBlock,
            (true, true) => TransactionStatus::Failed,
        }
    }

    pub(crate) fn fail(&mut self) {
        self.failed = self.is_open;
    }

    pub(crate) fn wrote(&mut self) {
        if self.is_open {
            self.writes += 1;
        }
    }

    /// A failed block takes nothing but its end.
    pub(crate) fn expect_usable(&self, ast: &Ast) -> Result<()> {
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
