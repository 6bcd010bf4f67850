//! The weights of a version as rows, read a block of rows at a time.

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};

use hyprstream_storage::{MatrixInfo, Snapshot};

use super::{MatrixKind, WeightBatch, WeightFilter};
use crate::adapter_name::parse_one;
use crate::adapter_store::resolve;
use crate::engine::Engine;
use crate::errors::{Error, Result};

/// Elements that are looked at for one batch.
pub(super) const BATCH_ELEMENTS: usize = 1 << 16;

impl Engine {
    /// The active weights of one version, read from the store batch by batch as the iterator is driven.
    pub fn adapter_weights(
        &self,
        name: &str,
        filter: &WeightFilter,
    ) -> Result<Box<dyn Iterator<Item = Result<WeightBatch>> + Send>> {
        let snapshot = self.adapter_store.snapshot();
        let adapter = resolve(&snapshot, &parse_one(name)?)?;
        let mut matrices: VecDeque<MatrixInfo> = snapshot.matrices(&adapter.name, &adapter.version)?.into();
        matrices.retain(|info| wanted((info.path.layer, &info.path.module, &info.path.matrix), filter));
        let scan = WeightScan {
            snapshot,
            matrices,
            next_row: 0,
            rows: filter.rows.clone(),
            cols: filter.cols.clone(),
            left: filter.limit.unwrap_or(usize::MAX),
        };
        Ok(Box::new(scan))
    }
}

/// Whether a filter lets anything of a matrix through.
pub(super) fn wanted((layer, module, matrix): (u32, &str, &str), filter: &WeightFilter) -> bool {
    let layers = filter.layers.as_ref();
    let modules = filter.modules.as_ref();
    layers.is_none_or(|layers| layers.contains(&layer))
        && modules.is_none_or(|modules| modules.iter().any(|wanted| wanted == module))
        && filter.matrix.is_none_or(|wanted| wanted.as_str() == matrix)
}

struct WeightScan {
    snapshot: Snapshot,
    matrices: VecDeque<MatrixInfo>,
    next_row: usize,
    rows: Option<RangeInclusive<u32>>,
    cols: Option<RangeInclusive<u32>>,
    left: usize,
}

impl WeightScan {
    /// The next batch, which may be empty where nothing is active.
    fn advance(&mut self) -> Result<Option<WeightBatch>> {
        let Some(info) = self.matrices.front().cloned() else {
            return Ok(None);
        };
        let rows = clip(self.rows.as_ref(), info.shape.rows);
        let cols = clip(self.cols.as_ref(), info.shape.cols);
        let start = self.next_row.max(rows.start);
        let block = (BATCH_ELEMENTS / cols.len().max(1)).max(1);
        let end = rows.end.min(start.saturating_add(block));
        let mut batch = WeightBatch {
            layer: info.path.layer,
            module: info.path.module.clone(),
            matrix: MatrixKind::of(&info.path.matrix),
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

/// The part of a side of a matrix that a filter wants.
pub(super) fn clip(range: Option<&RangeInclusive<u32>>, length: usize) -> Range<usize> {
    match range {
        None => 0..length,
        Some(range) => (*range.start() as usize).min(length)..(*range.end() as usize + 1).min(length),
    }
}
