//! Causal attention of one sequence at a time with grouped key and value heads, forward and backward.
//!
//! Scores are made for a block of queries against the keys up to the block's end, so half of the square is
//! never computed and nothing quadratic is kept: the backward pass makes a block's probabilities again from
//! the saved logarithms of their sums.

use crate::kernels::{Mat, dot, exp, scale};
use crate::weights::Dims;
use crate::workspace::Workspace;

const BLOCK: usize = 64;

/// Queries, keys and values after rotation: [n, heads · head] and twice [n, kv heads · head].
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    pub(crate) q: &'a [f32],
    pub(crate) k: &'a [f32],
    pub(crate) v: &'a [f32],
}

/// One block of queries of one head: where it lies in the packed rows.
struct Block {
    /// First row of the sequence.
    start: usize,
    /// First and last-plus-one query row.
    rows: (usize, usize),
    query: usize,
    key: usize,
}

impl Block {
    fn size(&self) -> usize {
        self.rows.1 - self.rows.0
    }

    /// Keys that any query of the block sees.
    fn keys(&self) -> usize {
        self.rows.1 - self.start
    }

    /// Keys that query `index` of the block sees.
    fn seen(&self, index: usize) -> usize {
        self.rows.0 + index + 1 - self.start
    }
}

fn blocks(dims: Dims, starts: &[usize]) -> impl Iterator<Item = Block> + '_ {
    let group = dims.heads / dims.kv_heads;
    starts.windows(2).flat_map(move |bounds| {
        let (start, end) = (bounds[0], bounds[1]);
        (0..dims.heads).flat_map(move |query| {
            (start..end).step_by(BLOCK).map(move |first| Block {
                start,
                rows: (first, (first + BLOCK).min(end)),
                query,
                key: query / group,
            })
        })
    })
}

/// Answers the mixed values [n, heads · head] and, for each row and head, the logarithm of the sum of the
/// exponentials of its scores [n, heads].
pub(crate) fn forward(
    dims: Dims,
    heads: Heads<'_>,
    starts: &[usize],
    workspace: &mut Workspace,
) -> (Vec<f32>, Vec<f32>) {
    let (q_width, kv_width, head) = (dims.q_width(), dims.kv_width(), dims.head);
    let n = heads.q.len() / q_width;
    let mut out = workspace.take(n * q_width);
    let mut log_sums = workspace.take(n * dims.heads);
    let mut scores = workspace.take(BLOCK * longest(starts));
    for block in blocks(dims, starts) {
        let keys = block.keys();
        block_scores(dims, heads, &block, &mut scores, workspace);
        for (index, row) in scores.chunks_exact_mut(keys).take(block.size()).enumerate() {
            let (seen, hidden) = row.split_at_mut(block.seen(index));
            log_sums[(block.rows.0 + index) * dims.heads + block.query] = softmax(seen);
            hidden.fill(0.0);
        }
        let value = Mat::rows(&heads.v[block.start * kv_width + block.key * head..], kv_width);
        let out = &mut out[block.rows.0 * q_width + block.query * head..];
        workspace.matmul(
            out,
            q_width,
            (block.size(), head, keys),
            Mat::rows(&scores, keys),
            value,
            1.0,
            false,
        );
    }
    workspace.give(scores);
    (out, log_sums)
}

/// The gradients of queries, keys and values, from `workspace`.
pub(crate) struct HeadGradients {
    pub(crate) dq: Vec<f32>,
    pub(crate) dk: Vec<f32>,
    pub(crate) dv: Vec<f32>,
}

/// The gradient of [`forward`], whose results are `out` and `log_sums`, given the gradient of `out`.
pub(crate) fn backward(
    dims: Dims,
    heads: Heads<'_>,
    starts: &[usize],
    (out, log_sums): (&[f32], &[f32]),
    d_out: &[f32],
    workspace: &mut Workspace,
) -> HeadGradients {
    let (q_width, kv_width, head) = (dims.q_width(), dims.kv_width(), dims.head);
    let scale_scores = 1.0 / (head as f32).sqrt();
    let n = heads.q.len() / q_width;
    let mut dq = workspace.take(n * q_width);
    let mut dk = workspace.zeroed(n * kv_width);
    let mut dv = workspace.zeroed(n * kv_width);
    let mut probabilities = workspace.take(BLOCK * longest(starts));
    let mut d_scores = workspace.take(BLOCK * longest(starts));
    for block in blocks(dims, starts) {
        let (keys, size) = (block.keys(), block.size());
        let (q_at, kv_at) =
            (block.rows.0 * q_width + block.query * head, block.start * kv_width + block.key * head);
        block_scores(dims, heads, &block, &mut probabilities, workspace);
        for (index, row) in probabilities.chunks_exact_mut(keys).take(size).enumerate() {
            let log_sum = log_sums[(block.rows.0 + index) * dims.heads + block.query];
            let (seen, hidden) = row.split_at_mut(block.seen(index));
            for score in seen {
                *score = exp(*score - log_sum);
            }
            hidden.fill(0.0);
        }
        let d_rows = Mat::rows(&d_out[q_at..], q_width);
        let values = Mat::transposed(&heads.v[kv_at..], kv_width);
        workspace.matmul(&mut d_scores, keys, (size, keys, head), d_rows, values, 1.0, false);
        workspace.matmul(
            &mut dv[kv_at..],
            kv_width,
            (keys, head, size),
            Mat::transposed(&probabilities, keys),
            d_rows,
            1.0,
            true,
        );
        let rows = d_scores.chunks_exact_mut(keys).zip(probabilities.chunks_exact(keys)).take(size);
        for (index, (d_row, row)) in rows.enumerate() {
            let at = q_at + index * q_width;
            let mean = dot(&d_out[at..at + head], &out[at..at + head]);
            d_row.iter_mut().zip(row).for_each(|(d, p)| *d = p * (*d - mean));
        }
        let (queries, keys_rows) =
            (Mat::rows(&heads.q[q_at..], q_width), Mat::rows(&heads.k[kv_at..], kv_width));
        workspace.matmul(
            &mut dq[q_at..],
            q_width,
            (size, head, keys),
            Mat::rows(&d_scores, keys),
            keys_rows,
            scale_scores,
            false,
        );
        let d_transposed = Mat::transposed(&d_scores, keys);
        workspace.matmul(
            &mut dk[kv_at..],
            kv_width,
            (keys, head, size),
            d_transposed,
            queries,
            scale_scores,
            true,
        );
    }
    workspace.give(probabilities);
    workspace.give(d_scores);
    HeadGradients { dq, dk, dv }
}

/// The scaled scores of a block, [size, keys]; those of keys a query does not see are there too.
fn block_scores(dims: Dims, heads: Heads<'_>, block: &Block, scores: &mut [f32], workspace: &mut Workspace) {
    let (q_width, kv_width, head) = (dims.q_width(), dims.kv_width(), dims.head);
    let queries = Mat::rows(&heads.q[block.rows.0 * q_width + block.query * head..], q_width);
    let keys = Mat::transposed(&heads.k[block.start * kv_width + block.key * head..], kv_width);
    let shape = (block.size(), block.keys(), head);
    workspace.matmul(scores, block.keys(), shape, queries, keys, 1.0 / (head as f32).sqrt(), false);
}

/// Turns scores into probabilities and answers the logarithm of the sum of their exponentials.
fn softmax(scores: &mut [f32]) -> f32 {
    let (greatest, sum) = crate::loss::exponentials(scores);
    scale(scores, 1.0 / sum);
    greatest + sum.ln()
}

fn longest(starts: &[usize]) -> usize {
    starts.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0)
}
