//! The weights of a version as rows, read a block of rows at a time.

use std::collections::VecDeque;
use std::ops::Range;

use hyprstream_storage::{MatrixInfo, Selection, Snapshot};

use super::{MatrixKind, WeightBatch, WeightFilter};
use crate::adapters::name::parse_one;
use crate::adapters::resolve::resolve;
use crate::adapters::store::AdapterStore;
use crate::error::{Error, Result};

/// Elements that are looked at for one batch.
pub(super) const BATCH_ELEMENTS: usize = 1 << 16;

pub(crate) fn scan(
    store: &AdapterStore,
    name: &str,
    filter: &WeightFilter,
) -> Result<impl Iterator<Item = Result<WeightBatch>> + Send + use<>> {
    let snapshot = store.snapshot();
    let adapter = resolve(&snapshot, &parse_one(name)?)?;
    let selection = filter.selection();
    let matrices = snapshot.selected_matrices(&adapter.name, &adapter.version, &selection)?;
    Ok(WeightScan {
        snapshot,
        matrices: matrices.into(),
        next_row: 0,
        selection,
        left: filter.limit.unwrap_or(usize::MAX),
    })
}

struct WeightScan {
    snapshot: Snapshot,
    matrices: VecDeque<MatrixInfo>,
    next_row: usize,
    selection: Selection,
    left: usize,
}

impl WeightScan {
    /// The next batch, which may be empty where nothing is active.
    fn advance(&mut self) -> Result<Option<WeightBatch>> {
        let Some(info) = self.matrices.front().cloned() else {
            return Ok(None);
        };
        let rows = clip(&self.selection.rows, info.shape.rows);
        let cols = clip(&self.selection.cols, info.shape.cols);
        let start = self.next_row.max(rows.start);
        let block = (BATCH_ELEMENTS / cols.len().max(1)).max(1);
        let end = rows.end.min(start.saturating_add(block));
        let mut batch = WeightBatch {
            layer: info.path.layer,
            module: info.path.module.clone(),
            matrix: MatrixKind::named(&info.path.matrix),
            rows: Vec::new(),
            cols: Vec::new(),
            values: Vec::new(),
        };
        if start < end && !cols.is_empty() {
            let matrix = self.snapshot.matrix(&info.path)?;
            let matrix =
                matrix.ok_or_else(|| Error::Internal(format!("{} vanished from a snapshot", info.path)))?;
            matrix.for_each_active(start..end, cols, &mut |row, col, value| {
                batch.rows.push(row as u32);
                batch.cols.push(col as u32);
                batch.values.push(value);
                Ok(())
            })?;
        }
        self.next_row = end;
        if end >= rows.end {
            self.matrices.pop_front();
            self.next_row = 0;
        }
        let kept = batch.values.len().min(self.left);
        batch.rows.truncate(kept);
        batch.cols.truncate(kept);
        batch.values.truncate(kept);
        self.left -= kept;
        Ok(Some(batch))
    }
}

impl Iterator for WeightScan {
    type Item = Result<WeightBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            match self.advance() {
                Ok(Some(batch)) if batch.values.is_empty() => {}
                Ok(batch) => return batch.map(Ok),
                Err(error) => {
                    self.left = 0;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// The part of a side of a matrix that is wanted.
pub(super) fn clip(wanted: &Range<usize>, length: usize) -> Range<usize> {
    wanted.start.min(length)..wanted.end.min(length)
}
