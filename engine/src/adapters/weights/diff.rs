//! The weights in which two versions differ, read a block at a time from the pages that they do not share.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use hyprstream_storage::{
    DifferenceKind, Matrix, MatrixDifference, MatrixPath, Selection, Shape, Snapshot, VersionPath,
};

use super::scan::{BATCH_ELEMENTS, clip};
use super::{MatrixKind, WeightDifferenceBatch, WeightFilter};
use crate::adapters::name::parse_one;
use crate::adapters::resolve::{ResolvedAdapter, resolve};
use crate::adapters::store::AdapterStore;
use crate::error::Result;

pub(crate) fn diff(
    store: &AdapterStore,
    old: &str,
    new: &str,
    filter: &WeightFilter,
) -> Result<impl Iterator<Item = Result<WeightDifferenceBatch>> + Send + use<>> {
    let snapshot = store.snapshot();
    let old = resolve(&snapshot, &parse_one(old)?)?;
    let new = resolve(&snapshot, &parse_one(new)?)?;
    let selection = filter.selection();
    let differences = snapshot.diff(
        VersionPath::new(&old.name, &old.version),
        VersionPath::new(&new.name, &new.version),
        &selection,
    )?;
    Ok(DifferenceScan {
        snapshot,
        old,
        new,
        differences: differences.into(),
        next: 0,
        selection,
        left: filter.limit.unwrap_or(usize::MAX),
    })
}

struct DifferenceScan {
    snapshot: Snapshot,
    old: ResolvedAdapter,
    new: ResolvedAdapter,
    differences: VecDeque<MatrixDifference>,
    /// Of the first matrix: the next of its differing chunks, or its next row when it is compared as a whole.
    next: usize,
    selection: Selection,
    left: usize,
}

impl DifferenceScan {
    /// The next batch, which may be empty where a filter leaves nothing.
    fn advance(&mut self) -> Result<Option<WeightDifferenceBatch>> {
        let Some(difference) = self.differences.front().cloned() else {
            return Ok(None);
        };
        let mut batch = WeightDifferenceBatch {
            layer: difference.layer,
            module: difference.module.clone(),
            matrix: MatrixKind::named(&difference.matrix),
            rows: Vec::new(),
            cols: Vec::new(),
            old_values: Vec::new(),
            new_values: Vec::new(),
        };
        let is_done = if difference.kind == DifferenceKind::Changed {
            self.changed_chunk(difference, &mut batch)?
        } else {
            self.whole_rows(&difference, &mut batch)?
        };
        if is_done {
            self.differences.pop_front();
            self.next = 0;
        }
        batch.truncate(self.left);
        self.left -= batch.rows.len();
        Ok(Some(batch))
    }

    /// One chunk of a matrix that both versions have in the same shape. Says whether it was the last.
    fn changed_chunk(
        &mut self,
        mut difference: MatrixDifference,
        batch: &mut WeightDifferenceBatch,
    ) -> Result<bool> {
        let count = difference.chunks.len();
        difference.chunks = difference.chunks.get(self.next).copied().into_iter().collect();
        self.snapshot.for_each_difference(
            VersionPath::new(&self.old.name, &self.old.version),
            VersionPath::new(&self.new.name, &self.new.version),
            &difference,
            &self.selection,
            &mut |row, col, old, new| {
                batch.push(row, col, Some(old), Some(new));
                Ok(())
            },
        )?;
        self.next += 1;
        Ok(self.next >= count)
    }

    /// A block of rows of a matrix that one version lacks or has in another shape. Says whether it was the last.
    fn whole_rows(
        &mut self,
        difference: &MatrixDifference,
        batch: &mut WeightDifferenceBatch,
    ) -> Result<bool> {
        let path = |adapter: &ResolvedAdapter| {
            let MatrixDifference { layer, module, matrix, .. } = difference;
            MatrixPath::new(&*adapter.name, &*adapter.version, *layer, &**module, &**matrix)
        };
        let sides = [self.snapshot.matrix(&path(&self.old))?, self.snapshot.matrix(&path(&self.new))?];
        let shapes = sides.each_ref().map(|side| side.as_ref().map(|matrix| matrix.info().shape));
        let longest = |length: fn(&Shape) -> usize| shapes.iter().flatten().map(length).max().unwrap_or(0);
        let rows = clip(&self.selection.rows, longest(|shape| shape.rows));
        let cols = clip(&self.selection.cols, longest(|shape| shape.cols));
        let start = self.next.max(rows.start);
        let block = (BATCH_ELEMENTS / cols.len().max(1)).max(1);
        let end = rows.end.min(start.saturating_add(block));
        if start < end && !cols.is_empty() {
            let values = active_values(&sides, &shapes, start..end, cols)?;
            for ((row, col), found) in values {
                let value =
                    |side: usize| found[side].or_else(|| inside(shapes[side], row, col).then_some(0.0));
                let (old, new) = (value(0), value(1));
                if old.map(f32::to_bits) != new.map(f32::to_bits) {
                    batch.push(row, col, old, new);
                }
            }
        }
        self.next = end;
        Ok(end >= rows.end)
    }
}

/// Old and new value by row and column.
type Values = BTreeMap<(usize, usize), [Option<f32>; 2]>;

/// The active values of both matrices in a block, by row and column.
fn active_values(
    sides: &[Option<Matrix<'_>>; 2],
    shapes: &[Option<Shape>; 2],
    rows: Range<usize>,
    cols: Range<usize>,
) -> Result<Values> {
    let mut values = Values::new();
    for (side, (matrix, shape)) in sides.iter().zip(shapes).enumerate() {
        let (Some(matrix), Some(shape)) = (matrix, shape) else {
            continue;
        };
        let rows = rows.start.min(shape.rows)..rows.end.min(shape.rows);
        let cols = cols.start.min(shape.cols)..cols.end.min(shape.cols);
        matrix.for_each_active(rows, cols, &mut |row, col, value| {
            values.entry((row, col)).or_default()[side] = Some(value);
            Ok(())
        })?;
    }
    Ok(values)
}

fn inside(shape: Option<Shape>, row: usize, col: usize) -> bool {
    shape.is_some_and(|shape| row < shape.rows && col < shape.cols)
}

impl WeightDifferenceBatch {
    fn push(&mut self, row: usize, col: usize, old: Option<f32>, new: Option<f32>) {
        self.rows.push(row as u32);
        self.cols.push(col as u32);
        self.old_values.push(old);
        self.new_values.push(new);
    }

    fn truncate(&mut self, count: usize) {
        self.rows.truncate(count);
        self.cols.truncate(count);
        self.old_values.truncate(count);
        self.new_values.truncate(count);
    }
}

impl Iterator for DifferenceScan {
    type Item = Result<WeightDifferenceBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            match self.advance() {
                Ok(Some(batch)) if batch.rows.is_empty() => {}
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
