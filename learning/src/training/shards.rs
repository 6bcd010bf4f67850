//! A batch in a fixed number of shards on a pool of threads, with gradients added in a fixed order.

use rayon::prelude::*;

use crate::backward::backward;
use crate::contrastive::{Contrast, info_nce, mean_pool, mean_pool_backward};
use crate::error::{Error, Result};
use crate::forward::{Trace, forward};
use crate::kernels::add;
use crate::loss::{LossGradient, cross_entropy};
use crate::network::{Gradients, Network};
use crate::options::{Example, Precision};
use crate::pack::{Packed, balance};
use crate::workspace::Workspaces;

/// The workers of a trainer and the gradients of its shards.
pub(crate) struct Shards {
    pool: rayon::ThreadPool,
    workspaces: Workspaces,
    gradients: Vec<Gradients>,
}

/// What the examples of a batch came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LanguageSum {
    /// Nats, over all target tokens.
    pub(crate) loss: f64,
    pub(crate) targets: usize,
    pub(crate) tokens: usize,
}

impl Shards {
    /// `zeros` has the shape of the gradients; `threads` 0 takes all.
    pub(crate) fn try_new(
        threads: usize,
        count: usize,
        precision: Precision,
        zeros: &Gradients,
    ) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("training-{index}"))
            .build()
            .map_err(|error| Error::Resource(format!("cannot start the training threads: {error}")))?;
        Ok(Self { pool, workspaces: Workspaces::new(precision), gradients: vec![zeros.clone(); count] })
    }

    /// The threads, for the work between the passes.
    pub(crate) fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// Sets all gradients to zero.
    pub(crate) fn clear(&mut self) {
        let gradients = &mut self.gradients;
        self.pool.install(|| gradients.par_iter_mut().for_each(Gradients::clear));
    }

    /// Adds the gradient of the examples' mean loss, in which an example's tokens count as its weight says;
    /// without weights all count alike. `network` gives the network of a shard, so that shards can differ in what
    /// they drop.
    pub(crate) fn language<'a>(
        &mut self,
        network: impl Fn(usize) -> Network<'a> + Sync,
        examples: &[&Example],
        weights: &[f32],
    ) -> Result<LanguageSum> {
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
                    let packed = Packed::of_examples(weighted);
                    language_shard(network(shard), &packed, gradients, workspaces)
                })
                .collect()
        });
        let loss = losses.into_iter().sum::<Result<f64>>()?;
        Ok(LanguageSum { loss, targets, tokens: lengths.iter().sum() })
    }

    /// Adds `weight` times the gradient of the contrastive loss of the pairs.
    pub(crate) fn contrastive(
        &mut self,
        network: Network<'_>,
        pairs: &[(Vec<u32>, Vec<u32>)],
        temperature: f32,
        weight: f32,
    ) -> Result<Contrast> {
        let width = network.base.dims.hidden;
        let sequences: Vec<&[u32]> =
            pairs.iter().flat_map(|(left, right)| [left.as_slice(), right]).collect();
        let lengths: Vec<usize> = sequences.iter().map(|tokens| tokens.len()).collect();
        let groups = balance(&lengths, self.gradients.len());
        let shards = self.pooled_forward(network, &sequences, &groups)?;
        let mut sides = [vec![0.0; pairs.len() * width], vec![0.0; pairs.len() * width]];
        for (group, (packed, trace)) in groups.iter().zip(&shards) {
            let pooled = mean_pool(&trace.hidden, &packed.starts, width);
            for (&index, row) in group.iter().zip(pooled.chunks_exact(width)) {
                sides[index % 2][index / 2 * width..][..width].copy_from_slice(row);
            }
        }
        let contrast = info_nce(&sides[0], &sides[1], width, temperature);
        let (workspaces, gradients) = (&self.workspaces, &mut self.gradients);
        let row = |index: usize| {
            let side = if index.is_multiple_of(2) { &contrast.d_left } else { &contrast.d_right };
            &side[index / 2 * width..][..width]
        };
        self.pool.install(|| {
            let work = groups.par_iter().zip(shards).zip(gradients);
            work.try_for_each(|((group, (packed, trace)), gradients)| {
                let mut d_pooled: Vec<f32> = group.iter().flat_map(|&index| row(index)).copied().collect();
                crate::kernels::scale(&mut d_pooled, weight);
                workspaces.with(|workspace| {
                    let mut d_hidden = workspace.take(trace.hidden.len());
                    mean_pool_backward(&d_pooled, &packed.starts, width, &mut d_hidden);
                    let result = backward(network, &packed, trace, &d_hidden, gradients, workspace);
                    workspace.give(d_hidden);
                    result
                })
            })
        })?;
        Ok(contrast)
    }

    fn pooled_forward(
        &self,
        network: Network<'_>,
        sequences: &[&[u32]],
        groups: &[Vec<usize>],
    ) -> Result<Vec<(Packed, Trace)>> {
        let run = |group: &Vec<usize>| {
            let packed = Packed::of_sequences(group.iter().map(|&index| sequences[index]));
            let trace = self.workspaces.with(|workspace| forward(network, &packed, true, workspace))?;
            Ok((packed, trace))
        };
        self.pool.install(|| groups.par_iter().map(run).collect())
    }

    /// Adds up the shards' gradients, always in the same order.
    pub(crate) fn reduce(&mut self) {
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
    pub(crate) fn sum(&self) -> &Gradients {
        &self.gradients[0]
    }

    /// The same, to be written.
    pub(crate) fn sum_mut(&mut self) -> &mut Gradients {
        &mut self.gradients[0]
    }

    /// The loss of examples without a gradient.
    pub(crate) fn evaluate(&self, network: Network<'_>, examples: &[Example]) -> Result<LanguageSum> {
        const GROUP: usize = 16;
        let losses: Vec<Result<f64>> = self.pool.install(|| {
            let groups = examples.par_chunks(GROUP);
            let loss = |group: &[Example]| {
                let packed = Packed::of_examples(group.iter().map(|example| (example, 0.0)));
                self.workspaces.with(|workspace| {
                    let trace = forward(network, &packed, false, workspace)?;
                    let loss = cross_entropy(network, &trace.hidden, &packed.targets, None, workspace);
                    trace.release(workspace);
                    Ok(loss)
                })
            };
            groups.map(loss).collect()
        });
        let loss = losses.into_iter().sum::<Result<f64>>()?;
        let targets = examples.iter().map(Example::target_tokens).sum();
        let tokens = examples.iter().map(|example| example.tokens.len()).sum();
        Ok(LanguageSum { loss, targets, tokens })
    }

    /// Means of the final hidden states, a row a sequence.
    pub(crate) fn pooled(&self, network: Network<'_>, sequences: &[Vec<u32>]) -> Result<Vec<f32>> {
        const GROUP: usize = 16;
        let run = |group: &[Vec<u32>]| {
            let packed = Packed::of_sequences(group.iter().map(Vec::as_slice));
            self.workspaces.with(|workspace| {
                let trace = forward(network, &packed, false, workspace)?;
                let pooled = mean_pool(&trace.hidden, &packed.starts, network.base.dims.hidden);
                trace.release(workspace);
                Ok(pooled)
            })
        };
        let rows: Result<Vec<Vec<f32>>> =
            self.pool.install(|| sequences.par_chunks(GROUP).map(run).collect());
        Ok(rows?.concat())
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
