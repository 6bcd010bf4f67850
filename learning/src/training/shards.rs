//! A batch in a fixed number of shards on a pool of threads, with gradients added in a fixed order.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernels::{Precision, add};
use crate::model::Tensors;
use crate::network::{
    Example, Gradients, LossGradient, Network, Packed, Trace, Workspaces, backward, balance, cross_entropy,
    forward,
};

/// Sequences that are computed together where no gradient is wanted.
const GROUP: usize = 16;

/// The workers of a trainer and the gradients of its shards.
pub struct Shards {
    pool: rayon::ThreadPool,
    workspaces: Workspaces,
    gradients: Vec<Gradients>,
}

/// The loss of some examples together.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossSum {
    /// Nats, over all target tokens.
    pub loss: f64,
    /// Tokens that counted in the loss.
    pub targets: usize,
    /// Tokens that were computed.
    pub tokens: usize,
}

/// A shard's sequences after their forward pass, with what [`Shards::backward`] needs of it.
pub struct Pass {
    sequences: Vec<usize>,
    packed: Packed,
    trace: Trace,
}

impl Pass {
    /// Which of the batch's sequences these are.
    pub fn sequences(&self) -> &[usize] {
        &self.sequences
    }

    /// The final hidden states of all its sequences, [tokens, hidden].
    pub fn hidden(&self) -> &[f32] {
        &self.trace.hidden
    }

    /// The row in which each sequence begins, and the end of the last.
    pub fn starts(&self) -> &[usize] {
        &self.packed.starts
    }
}

impl Shards {
    /// Workers for batches of `count` shards on `threads` threads (0 takes all); `zeros` has the shape of the gradients.
    pub fn try_new(threads: usize, count: usize, precision: Precision, zeros: &Gradients) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("training-{index}"))
            .build()
            .map_err(|error| Error::Resource(format!("cannot start the training threads: {error}")))?;
        Ok(Self { pool, workspaces: Workspaces::new(precision), gradients: vec![zeros.clone(); count] })
    }

    /// The threads, for the work between the passes.
    pub fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// Sets all gradients to zero.
    pub fn clear(&mut self) {
        let gradients = &mut self.gradients;
        self.pool.install(|| gradients.par_iter_mut().for_each(Gradients::clear));
    }

    /// Adds the gradient of the examples' mean loss, in which an example's tokens count as its weight says;
    /// without weights all count alike. `network` gives the network of a shard, so that shards can differ in what
    /// they drop.
    pub fn language<'a>(
        &mut self,
        network: impl Fn(usize) -> Network<'a> + Sync,
        examples: &[&Example],
        weights: &[f32],
    ) -> Result<LossSum> {
        let lengths: Vec<usize> = examples.iter().map(|example| example.tokens.len()).collect();
        let groups = balance(&lengths, self.gradients.len());
        let targets = examples.iter().map(|example| example.target_tokens()).sum::<usize>();
        let counts = |index: usize| weights.get(index).map_or(1.0, |&weight| f64::from(weight));
        let counted: f64 = examples
            .iter()
            .enumerate()
            .map(|(index, example)| counts(index) * example.target_tokens() as f64)
            .sum();
        let weight = |index: usize| (counts(index) / counted) as f32;
        let (workspaces, gradients) = (&self.workspaces, &mut self.gradients);
        let losses: Vec<Result<f64>> = self.pool.install(|| {
            let shards = groups.par_iter().zip(gradients).enumerate();
            shards
                .map(|(shard, (group, gradients))| {
                    let weighted = group.iter().map(|&index| (examples[index], weight(index)));
                    let packed = Packed::from_examples(weighted);
                    language_shard(network(shard), &packed, gradients, workspaces)
                })
                .collect()
        });
        let loss = losses.into_iter().sum::<Result<f64>>()?;
        Ok(LossSum { loss, targets, tokens: lengths.iter().sum() })
    }

    /// Runs sequences forward, for a loss of their final hidden states; the passes go back to [`Shards::backward`].
    pub fn forward(&self, network: Network<'_>, sequences: &[&[u32]]) -> Result<Vec<Pass>> {
        let lengths: Vec<usize> = sequences.iter().map(|tokens| tokens.len()).collect();
        let run = |group: Vec<usize>| {
            let packed = Packed::from_sequences(group.iter().map(|&index| sequences[index]));
            let trace = self.workspaces.with(|workspace| forward(network, &packed, true, workspace))?;
            Ok(Pass { sequences: group, packed, trace })
        };
        let groups = balance(&lengths, self.gradients.len());
        self.pool.install(|| groups.into_par_iter().map(run).collect())
    }

    /// Adds the gradients of a batch that was run [`Shards::forward`]. `write` writes the gradient of each number of
    /// [`Pass::hidden`].
    pub fn backward(
        &mut self,
        network: Network<'_>,
        passes: Vec<Pass>,
        write: impl Fn(&Pass, &mut [f32]) + Sync,
    ) -> Result<()> {
        let (workspaces, gradients) = (&self.workspaces, &mut self.gradients);
        self.pool.install(|| {
            passes.into_par_iter().zip(gradients).try_for_each(|(pass, gradients)| {
                workspaces.with(|workspace| {
                    let mut d_hidden = workspace.take(pass.trace.hidden.len());
                    write(&pass, &mut d_hidden);
                    let Pass { packed, trace, .. } = pass;
                    let result = backward(network, &packed, trace, &d_hidden, gradients, workspace);
                    workspace.give(d_hidden);
                    result
                })
            })
        })
    }

    /// Adds up the shards' gradients, always in the same order.
    pub fn reduce(&mut self) {
        const CHUNK: usize = 1 << 16;
        let (first, others) = self.gradients.split_at_mut(1);
        let others: Vec<Vec<&[f32]>> = others.iter().map(Gradients::tensors).collect();
        let sums = first[0].tensors_mut();
        self.pool.install(|| {
            sums.into_par_iter().enumerate().for_each(|(tensor, sum)| {
                sum.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sum)| {
                    for other in &others {
                        add(sum, &other[tensor][chunk * CHUNK..][..sum.len()]);
                    }
                });
            });
        });
    }

    /// The sum that [`Shards::reduce`] made.
    pub fn sum(&self) -> &Gradients {
        &self.gradients[0]
    }

    /// [`Shards::sum`], to be written.
    pub(crate) fn sum_mut(&mut self) -> &mut Gradients {
        &mut self.gradients[0]
    }

    /// The loss of examples without a gradient.
    pub fn evaluate(&self, network: Network<'_>, examples: &[Example]) -> Result<LossSum> {
        let losses: Vec<Result<f64>> = self.pool.install(|| {
            let loss = |group: &[Example]| {
                let packed = Packed::from_examples(group.iter().map(|example| (example, 0.0)));
                self.workspaces.with(|workspace| {
                    let trace = forward(network, &packed, false, workspace)?;
                    let loss = cross_entropy(network, &trace.hidden, &packed.targets, None, workspace);
                    trace.release(workspace);
                    Ok(loss)
                })
            };
            examples.par_chunks(GROUP).map(loss).collect()
        });
        let loss = losses.into_iter().sum::<Result<f64>>()?;
        let targets = examples.iter().map(Example::target_tokens).sum();
        let tokens = examples.iter().map(|example| example.tokens.len()).sum();
        Ok(LossSum { loss, targets, tokens })
    }

    /// What `read` makes of the final hidden states of each group of sequences, given the row in which each begins
    /// and the end of the last, as in [`Pass`]; without a gradient.
    pub fn read_hidden<T: Send>(
        &self,
        network: Network<'_>,
        sequences: &[Vec<u32>],
        read: impl Fn(&[f32], &[usize]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let run = |group: &[Vec<u32>]| {
            let packed = Packed::from_sequences(group.iter().map(Vec::as_slice));
            self.workspaces.with(|workspace| {
                let trace = forward(network, &packed, false, workspace)?;
                let made = read(&trace.hidden, &packed.starts);
                trace.release(workspace);
                Ok(made)
            })
        };
        self.pool.install(|| sequences.par_chunks(GROUP).map(run).collect())
    }
}

fn language_shard(
    network: Network<'_>,
    packed: &Packed,
    gradients: &mut Gradients,
    workspaces: &Workspaces,
) -> Result<f64> {
    workspaces.with(|workspace| {
        let trace = forward(network, packed, true, workspace)?;
        let mut d_hidden = workspace.zeroed(trace.hidden.len());
        let side =
            LossGradient { d_hidden: &mut d_hidden, gradients: &mut *gradients, weights: &packed.weights };
        let loss = cross_entropy(network, &trace.hidden, &packed.targets, Some(side), workspace);
        network.check_cancel()?;
        backward(network, packed, trace, &d_hidden, gradients, workspace)?;
        workspace.give(d_hidden);
        Ok(loss)
    })
}
