//! Causal attention of one sequence at a time with grouped key and value heads, forward and backward.
//!
//! Scores are made for a block of queries against the keys up to the block's end, so half of the square is
//! never computed and nothing quadratic is kept: the backward pass makes a block's probabilities again from
//! the saved logarithms of their sums.

use std::ops::Range;

use crate::kernels::{Mat, MatMut, Store, dot, exp, exponentials, scale};
use crate::model::Dims;
use crate::network::pack::longest;
use crate::network::workspace::Workspace;

const BLOCK: usize = 64;

/// Queries, keys and values after rotation: [n, heads · head] and twice [n, kv heads · head].
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    pub(crate) q: &'a [f32],
    pub(crate) k: &'a [f32],
    pub(crate) v: &'a [f32],
}

/// What attention makes of the heads.
#[derive(Default)]
pub(crate) struct Mixed {
    /// The values weighted by their probabilities, [n, heads · head].
    pub(crate) values: Vec<f32>,
    /// For each row and head the logarithm of the sum of the exponentials of its scores, [n, heads].
    pub(crate) log_sums: Vec<f32>,
}

/// The gradients of queries, keys and values, from the workspace.
pub(crate) struct HeadGradients {
    pub(crate) dq: Vec<f32>,
    pub(crate) dk: Vec<f32>,
    pub(crate) dv: Vec<f32>,
}

/// One block of queries of one head: where it lies in the packed rows.
struct Block {
    dims: Dims,
    /// First row of the sequence.
    start: usize,
    /// The rows of its queries.
    rows: Range<usize>,
    query: usize,
    key: usize,
}

impl Block {
    fn size(&self) -> usize {
        self.rows.len()
    }

    /// Keys that any query of the block sees.
    fn keys(&self) -> usize {
        self.rows.end - self.start
    }

    /// Keys that query `index` of the block sees.
    fn seen(&self, index: usize) -> usize {
        self.rows.start + index + 1 - self.start
    }

    /// Where the log sum of query `index` stands in [`Mixed::log_sums`].
    fn log_sum(&self, index: usize) -> usize {
        (self.rows.start + index) * self.dims.heads + self.query
    }

    /// Where the numbers of query `index` begin in rows of all query heads.
    fn query_start(&self, index: usize) -> usize {
        (self.rows.start + index) * self.dims.q_width() + self.query * self.dims.head
    }

    /// Where the numbers of the first key begin in rows of all key heads.
    fn key_start(&self) -> usize {
        self.start * self.dims.kv_width() + self.key * self.dims.head
    }

    /// The block's queries in rows of all query heads, [size, head].
    fn queries<'a>(&self, rows: &'a [f32]) -> Mat<'a> {
        Mat::strided(&rows[self.query_start(0)..], self.size(), self.dims.head, self.dims.q_width())
    }

    fn queries_mut<'a>(&self, rows: &'a mut [f32]) -> MatMut<'a> {
        MatMut::strided(&mut rows[self.query_start(0)..], self.size(), self.dims.head, self.dims.q_width())
    }

    /// The keys (or values) that the block sees in rows of all key heads, [keys, head].
    fn seen_keys<'a>(&self, rows: &'a [f32]) -> Mat<'a> {
        Mat::strided(&rows[self.key_start()..], self.keys(), self.dims.head, self.dims.kv_width())
    }

    fn seen_keys_mut<'a>(&self, rows: &'a mut [f32]) -> MatMut<'a> {
        MatMut::strided(&mut rows[self.key_start()..], self.keys(), self.dims.head, self.dims.kv_width())
    }

    /// Writes the scaled scores, [size, keys]; those of keys a query does not see are there too.
    fn write_scores(&self, heads: Heads<'_>, scores: &mut [f32], workspace: &mut Workspace) {
        let target = MatMut::new(scores, self.keys());
        let (queries, keys) = (self.queries(heads.q), self.seen_keys(heads.k));
        workspace.multiply(target, Store::Overwrite, score_scale(self.dims), queries, keys.transposed());
    }
}

fn blocks(dims: Dims, starts: &[usize]) -> impl Iterator<Item = Block> + '_ {
    let group = dims.heads / dims.kv_heads;
    starts.windows(2).flat_map(move |bounds| {
        let (start, end) = (bounds[0], bounds[1]);
        (0..dims.heads).flat_map(move |query| {
            (start..end).step_by(BLOCK).map(move |first| Block {
                dims,
                start,
                rows: first..(first + BLOCK).min(end),
                query,
                key: query / group,
            })
        })
    })
}

/// Attends within the sequences that begin at `starts`; the results are from `workspace`.
pub(crate) fn forward(dims: Dims, heads: Heads<'_>, starts: &[usize], workspace: &mut Workspace) -> Mixed {
    let n = heads.q.len() / dims.q_width();
    let mut values = workspace.take(n * dims.q_width());
    let mut log_sums = workspace.take(n * dims.heads);
    let mut buffer = workspace.take(BLOCK * longest(starts));
    for block in blocks(dims, starts) {
        let keys = block.keys();
        let scores = &mut buffer[..block.size() * keys];
        block.write_scores(heads, scores, workspace);
        for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
            let (seen, hidden) = row.split_at_mut(block.seen(index));
            log_sums[block.log_sum(index)] = softmax(seen);
            hidden.fill(0.0);
        }
        let target = block.queries_mut(&mut values);
        let probabilities = Mat::new(scores, keys);
        workspace.multiply(target, Store::Overwrite, 1.0, probabilities, block.seen_keys(heads.v));
    }
    workspace.give(buffer);
    Mixed { values, log_sums }
}

/// The gradient of [`forward`], given the gradient of its values.
pub(crate) fn backward(
    dims: Dims,
    heads: Heads<'_>,
    starts: &[usize],
    mixed: &Mixed,
    d_values: &[f32],
    workspace: &mut Workspace,
) -> HeadGradients {
    let (q_width, kv_width) = (dims.q_width(), dims.kv_width());
    let n = heads.q.len() / q_width;
    let mut dq = workspace.take(n * q_width);
    let mut dk = workspace.zeroed(n * kv_width);
    let mut dv = workspace.zeroed(n * kv_width);
    let mut probabilities = workspace.take(BLOCK * longest(starts));
    let mut d_scores = workspace.take(BLOCK * longest(starts));
    for block in blocks(dims, starts) {
        let keys = block.keys();
        let probabilities = &mut probabilities[..block.size() * keys];
        block.write_scores(heads, probabilities, workspace);
        recompute_probabilities(&block, mixed, probabilities);

        let d_scores = &mut d_scores[..block.size() * keys];
        let (d_rows, values) = (block.queries(d_values), block.seen_keys(heads.v));
        let target = MatMut::new(d_scores, keys);
        workspace.multiply(target, Store::Overwrite, 1.0, d_rows, values.transposed());
        let target = block.seen_keys_mut(&mut dv);
        workspace.multiply(target, Store::Add, 1.0, Mat::new(probabilities, keys).transposed(), d_rows);
        through_softmax(&block, mixed, d_values, probabilities, d_scores);

        let (d_scores, scale) = (Mat::new(d_scores, keys), score_scale(dims));
        let target = block.queries_mut(&mut dq);
        workspace.multiply(target, Store::Overwrite, scale, d_scores, block.seen_keys(heads.k));
        let target = block.seen_keys_mut(&mut dk);
        workspace.multiply(target, Store::Add, scale, d_scores.transposed(), block.queries(heads.q));
    }
    workspace.give(probabilities);
    workspace.give(d_scores);
    HeadGradients { dq, dk, dv }
}

/// The scores of a block become its probabilities.
fn recompute_probabilities(block: &Block, mixed: &Mixed, scores: &mut [f32]) {
    for (index, row) in scores.chunks_exact_mut(block.keys()).enumerate() {
        let log_sum = mixed.log_sums[block.log_sum(index)];
        let (seen, hidden) = row.split_at_mut(block.seen(index));
        for score in seen {
            *score = exp(*score - log_sum);
        }
        hidden.fill(0.0);
    }
}

/// The gradients of a block's probabilities become those of its scores.
fn through_softmax(
    block: &Block,
    mixed: &Mixed,
    d_values: &[f32],
    probabilities: &[f32],
    d_scores: &mut [f32],
) {
    let (keys, head) = (block.keys(), block.dims.head);
    let rows = d_scores.chunks_exact_mut(keys).zip(probabilities.chunks_exact(keys));
    for (index, (d_row, row)) in rows.enumerate() {
        let at = block.query_start(index);
        let mean = dot(&d_values[at..at + head], &mixed.values[at..at + head]);
        d_row.iter_mut().zip(row).for_each(|(d, p)| *d = p * (*d - mean));
    }
}

/// What the products of queries and keys are multiplied by.
fn score_scale(dims: Dims) -> f32 {
    1.0 / (dims.head as f32).sqrt()
}

/// Scores become probabilities; returns the logarithm of the sum of their exponentials.
fn softmax(scores: &mut [f32]) -> f32 {
    let (greatest, sum) = exponentials(scores);
    scale(scores, 1.0 / sum);
    greatest + sum.ln()
}
