//! Small parts become fewer, beside the statements that use the table.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::user_tables::merge_policy::{PartSize, all_merges, next_merge};
use crate::user_tables::merge_queue::MergeQueue;
use crate::user_tables::part::Part;
use crate::user_tables::store::UserTables;
use crate::user_tables::table::{StoredTable, UserTable};
use crate::user_tables::writer::PartWriter;

/// The thread that merges parts of tables that grow. It ends when this is dropped, and keeps nothing open after that.
#[derive(Debug)]
pub(crate) struct Merging {
    queue: Arc<MergeQueue>,
    thread: Option<JoinHandle<()>>,
}

impl Merging {
    /// Starts the thread, with all tables to look at.
    pub(crate) fn start(tables: &Arc<UserTables>) -> Result<Self> {
        let queue = Arc::clone(&tables.to_merge);
        for name in tables.names() {
            if let Some(UserTable::Stored(table)) = tables.get(&name) {
                queue.grown(&name, table.now().parts.len());
            }
        }
        let (watched, used) = (Arc::clone(&queue), Arc::downgrade(tables));
        let thread = std::thread::Builder::new().name("merge-parts".to_owned());
        let thread = thread.spawn(move || run(&watched, &used)).map_err(Error::internal)?;
        Ok(Self { queue, thread: Some(thread) })
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that merges parts of tables ended by a fault of ours");
        }
    }
}

fn run(queue: &MergeQueue, tables: &Weak<UserTables>) {
    while let Some(name) = queue.next() {
        let Some(tables) = tables.upgrade() else {
            return;
        };
        let Some(UserTable::Stored(table)) = tables.get(&name) else {
            continue;
        };
        let merged = merge_while_worth_it(&tables, &table, &|| queue.is_stopped());
        if let Err(error) = merged {
            tracing::warn!(table = name, %error, "the parts of a table could not be merged");
        }
    }
}

/// Merges until nothing is worth it or someone says to stop.
fn merge_while_worth_it(
    tables: &UserTables,
    table: &StoredTable,
    is_stopped: &dyn Fn() -> bool,
) -> Result<()> {
    while !is_stopped() {
        let _merging = table.merging.lock();
        let parts = table.now().parts;
        let Some(run) = next_merge(&sizes(&parts)) else {
            return Ok(());
        };
        merge_run(tables, table, parts.get(run).unwrap_or_default(), is_stopped)?;
    }
    Ok(())
}

impl UserTables {
    /// Merges the parts of all tables as far as it goes.
    pub(crate) fn merge_all(&self) -> Result<()> {
        for name in self.names() {
            let Some(UserTable::Stored(table)) = self.get(&name) else {
                continue;
            };
            let _merging = table.merging.lock();
            let parts = table.now().parts;
            let runs: Vec<Range<usize>> = all_merges(&sizes(&parts));
            for run in runs {
                merge_run(self, &table, parts.get(run).unwrap_or_default(), &|| false)?;
            }
        }
        Ok(())
    }
}

fn sizes(parts: &[Arc<Part>]) -> Vec<PartSize> {
    let size = |part: &Arc<Part>| PartSize {
        rows: part.rows(),
        bytes: part.record().bytes,
        is_readable: part.is_readable(),
    };
    parts.iter().map(size).collect()
}

/// Writes the rows of some parts into one, and puts it in their place unless the table has changed there.
fn merge_run(
    tables: &UserTables,
    table: &StoredTable,
    run: &[Arc<Part>],
    is_stopped: &dyn Fn() -> bool,
) -> Result<()> {
    let mut writer = tables.writer(table)?;
    for part in run {
        match copy(part, &mut writer, is_stopped) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.kind() != ErrorKind::DataCorrupted => return Err(error),
            Err(error) => {
                part.mark_unreadable();
                tracing::error!(table = &*table.name, %error, "a part cannot be merged");
                return Ok(());
            }
        }
    }
    if let Some(part) = writer.finish(&table.names_to_replace(run))? {
        table.merge(tables.catalog(), run, part)?;
    }
    Ok(())
}

/// Copies the rows of a part. False when it was stopped before the end.
fn copy(part: &Part, writer: &mut PartWriter, is_stopped: &dyn Fn() -> bool) -> Result<bool> {
    let before = writer.rows();
    for rows in part.batches()? {
        writer.write(&rows?)?;
        if is_stopped() {
            return Ok(false);
        }
    }
    let copied = writer.rows() - before;
    if copied == part.rows() {
        return Ok(true);
    }
    Err(part.wrong_count(copied))
}
