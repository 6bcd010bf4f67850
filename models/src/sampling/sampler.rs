//! Choosing the next token from logits.
//!
//! The order of the transformations is Hugging Face's: temperature, `top_k`, `top_p`, `min_p`. Nothing here sorts the
//! whole vocabulary: candidates are cut off by a threshold first, which does not change the outcome.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::sampling::options::SamplingOptions;
use crate::sampling::softmax::{argmax, fast_exp, sum_exp};

/// A chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    /// Its id in the vocabulary.
    pub token_id: u32,
    /// The natural logarithm of its probability: at temperature 0 under the softmax of the raw logits, else under the
    /// distribution that it was drawn from (after temperature and all cuts).
    pub logprob: f32,
}

/// Chooses the tokens of one sequence.
#[derive(Debug)]
pub struct Sampler {
    options: SamplingOptions,
    random: ChaCha8Rng,
    candidates: Vec<(f32, u32)>,
    weights: Vec<f32>,
}

impl Sampler {
    /// A sampler of these options.
    pub fn try_new(options: &SamplingOptions) -> Result<Self> {
        options.validate()?;
        let seed = options.seed.unwrap_or_else(rand::random);
        Ok(Self {
            options: options.clone(),
            random: ChaCha8Rng::seed_from_u64(seed),
            candidates: Vec::new(),
            weights: Vec::new(),
        })
    }

    /// Chooses a token. Logits that are not numbers count as impossible; ties go to the lower id.
    pub fn sample(&mut self, logits: &[f32]) -> Result<Sampled> {
        let (best, max) = argmax(logits).ok_or(Error::NotFinite)?;
        let SamplingOptions { temperature, top_p, top_k, min_p, .. } = self.options;
        if temperature == 0.0 {
            return Ok(Sampled { token_id: best, logprob: -sum_exp(logits, max, 1.0).ln() });
        }
        let inverse = 1.0 / temperature;
        // Every candidate that min_p keeps has a scaled logit of at least this below the best one.
        let depth = if min_p > 0.0 { -min_p.ln() } else { f32::INFINITY };
        let limited = top_k > 0 && (top_k as usize) < logits.len();
        if !limited && top_p >= 1.0 && depth == f32::INFINITY {
            return Ok(self.draw_from_all(logits, max, inverse));
        }
        let total = if limited {
            self.keep_top_k(logits, max, inverse, top_k as usize);
            self.candidates.iter().map(|(scaled, _)| scaled.exp()).sum()
        } else if top_p < 1.0 {
            let total = sum_exp(logits, max, inverse);
            self.keep_until(logits, max, inverse, top_p * total);
            total
        } else {
            self.keep_within(logits, max, inverse, depth);
            0.0
        };
        if top_p < 1.0 {
            self.cut_top_p(top_p * total);
        }
        self.candidates.retain(|(scaled, _)| *scaled >= -depth);
        Ok(self.draw())
    }

    /// Candidates within `depth` of the best, in the order of the vocabulary.
    fn keep_within(&mut self, logits: &[f32], max: f32, inverse: f32, depth: f32) {
        self.candidates.clear();
        for (id, logit) in logits.iter().enumerate() {
            let scaled = (logit - max) * inverse;
            if scaled >= -depth {
                self.candidates.push((scaled, id as u32));
            }
        }
    }

    fn keep_top_k(&mut self, logits: &[f32], max: f32, inverse: f32, k: usize) {
        // Widens the threshold until k candidates are inside: most logits are far below the best few.
        let mut depth = 8.0;
        loop {
            self.keep_within(logits, max, inverse, depth);
            if self.candidates.len() >= k || depth == f32::INFINITY {
                break;
            }
            depth = if depth < 100.0 { depth * 2.0 } else { f32::INFINITY };
        }
        if self.candidates.len() > k {
            self.candidates.select_nth_unstable_by(k - 1, likelier);
            self.candidates.truncate(k);
        }
        self.candidates.sort_unstable_by(likelier);
    }

    /// The likeliest candidates, sorted, at least until their weights reach `wanted`.
    fn keep_until(&mut self, logits: &[f32], max: f32, inverse: f32, wanted: f32) {
        let mut depth = 4.0;
        loop {
            self.keep_within(logits, max, inverse, depth);
            let inside: f32 = self.candidates.iter().map(|(scaled, _)| scaled.exp()).sum();
            if inside >= wanted || depth == f32::INFINITY {
                break;
            }
            depth = if depth < 100.0 { depth * 2.0 } else { f32::INFINITY };
        }
        self.candidates.sort_unstable_by(likelier);
    }

    fn cut_top_p(&mut self, wanted: f32) {
        let mut sum = 0.0;
        let kept = self.candidates.iter().position(|(scaled, _)| {
            sum += scaled.exp();
            sum >= wanted
        });
        if let Some(last) = kept {
            self.candidates.truncate(last + 1);
        }
    }

    fn draw(&mut self) -> Sampled {
        self.weights.clear();
        self.weights.extend(self.candidates.iter().map(|(scaled, _)| scaled.exp()));
        let total: f32 = self.weights.iter().sum();
        let at = pick(&self.weights, self.random.random::<f32>() * total);
        let (scaled, token_id) = self.candidates[at];
        Sampled { token_id, logprob: scaled - total.ln() }
    }

    fn draw_from_all(&mut self, logits: &[f32], max: f32, inverse: f32) -> Sampled {
        self.weights.clear();
        self.weights.extend(logits.iter().map(|logit| fast_exp((logit - max) * inverse)));
        // Chunks are summed first, so that the prefix sum stays accurate and the search short.
        let sums: Vec<f32> = self.weights.chunks(1024).map(|chunk| chunk.iter().sum()).collect();
        let total: f32 = sums.iter().sum();
        let mut target = self.random.random::<f32>() * total;
        let mut chunk = 0;
        while chunk + 1 < sums.len() && target >= sums[chunk] {
            target -= sums[chunk];
            chunk += 1;
        }
        let start = chunk * 1024;
        let end = (start + 1024).min(self.weights.len());
        let at = start + pick(&self.weights[start..end], target);
        Sampled { token_id: at as u32, logprob: (logits[at] - max) * inverse - total.ln() }
    }
}

/// The natural logarithm of a token's probability under the softmax of raw logits.
pub fn log_softmax_at(logits: &[f32], token_id: u32) -> Result<f32> {
    let logit = logits
        .get(token_id as usize)
        .ok_or_else(|| Error::Argument(format!("token {token_id} is outside the logits")))?;
    let (_, max) = argmax(logits).ok_or(Error::NotFinite)?;
    Ok(logit - max - sum_exp(logits, max, 1.0).ln())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that sorting calls")]
fn likelier(left: &(f32, u32), right: &(f32, u32)) -> std::cmp::Ordering {
    right.0.total_cmp(&left.0).then(left.1.cmp(&right.1))
}

/// The index where the running sum of the weights passes `target`; the last possible one at the end.
fn pick(weights: &[f32], target: f32) -> usize {
    let mut sum = 0.0;
    let found = weights.iter().position(|weight| {
        sum += weight;
        sum > target
    });
    found.or_else(|| weights.iter().rposition(|weight| *weight > 0.0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(options: &SamplingOptions) -> Sampler {
        Sampler::try_new(options).unwrap()
    }

    /// How often each token is drawn.
    fn frequencies(options: &SamplingOptions, logits: &[f32], draws: usize) -> Vec<f32> {
        let mut sampler = Sampler::try_new(options).unwrap();
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..draws {
            counts[sampler.sample(logits).unwrap().token_id as usize] += 1.0 / draws as f32;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_likeliest_and_reports_its_softmax() {
        let logits = [1.0f32, 3.0, 2.0, f32::NAN, 3.0];
        let sampled = sampler(&SamplingOptions::default()).sample(&logits).unwrap();
        let expected = 3.0f32 - [1.0f32, 3.0, 2.0, 3.0].iter().map(|l| l.exp()).sum::<f32>().ln();
        assert_eq!(sampled.token_id, 1);
        assert!((sampled.logprob - expected).abs() < 1e-6, "{} {expected}", sampled.logprob);
        assert!((log_softmax_at(&logits, 2).unwrap() - (expected - 1.0)).abs() < 1e-6);
    }

    #[test]
    fn logits_without_a_number_are_an_error() {
        for logits in [&[][..], &[f32::NAN; 40], &[f32::NEG_INFINITY; 3], &[f32::INFINITY, 0.0]] {
            assert!(matches!(sampler(&SamplingOptions::default()).sample(logits), Err(Error::NotFinite)));
        }
    }

    #[test]
    fn draws_follow_the_tempered_distribution() {
        let logits = [0.0f32, 1.0, 2.0];
        let options = SamplingOptions { temperature: 2.0, seed: Some(7), ..Default::default() };
        let counts = frequencies(&options, &logits, 200_000);
        let total: f32 = logits.iter().map(|l| (l / 2.0).exp()).sum();
        for (count, logit) in counts.iter().zip(logits) {
            assert!((count - (logit / 2.0).exp() / total).abs() < 0.005, "{counts:?}");
        }
    }

    #[test]
    fn cuts_keep_exactly_the_tokens_they_should() {
        let logits: Vec<f32> = [0.4f32, 0.3, 0.2, 0.06, 0.04].iter().map(|p| p.ln()).collect();
        let kept = |options: SamplingOptions| -> Vec<usize> {
            let options = SamplingOptions { temperature: 1.0, seed: Some(1), ..options };
            let counts = frequencies(&options, &logits, 3000);
            (0..5).filter(|i| counts[*i] > 0.0).collect()
        };
        assert_eq!(kept(SamplingOptions { top_k: 2, ..Default::default() }), [0, 1]);
        assert_eq!(kept(SamplingOptions { top_p: 0.69, ..Default::default() }), [0, 1]);
        assert_eq!(kept(SamplingOptions { top_p: 0.71, ..Default::default() }), [0, 1, 2]);
        assert_eq!(kept(SamplingOptions { min_p: 0.14, ..Default::default() }), [0, 1, 2, 3]);
        assert_eq!(kept(SamplingOptions { min_p: 0.16, ..Default::default() }), [0, 1, 2]);
        // Of the two that top_k leaves, the first alone has 4/7 of the probability.
        assert_eq!(kept(SamplingOptions { top_k: 2, top_p: 0.5, ..Default::default() }), [0]);
        assert_eq!(kept(SamplingOptions { top_p: 1e-6, ..Default::default() }), [0]);
    }

    #[test]
    fn the_probability_reported_is_that_of_the_distribution_drawn_from() {
        let logits: Vec<f32> = [0.5f32, 0.25, 0.25].iter().map(|p| p.ln()).collect();
        let options = SamplingOptions { temperature: 1.0, top_k: 2, seed: Some(3), ..Default::default() };
        for _ in 0..20 {
            let sampled = sampler(&options).sample(&logits).unwrap();
            let expected = if sampled.token_id == 0 { 2.0f32 / 3.0 } else { 1.0 / 3.0 };
            assert!((sampled.logprob.exp() - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_seed_repeats_its_draws_and_another_does_not() {
        let logits: Vec<f32> = (0..5000).map(|i| (i as f32 * 0.37).sin()).collect();
        let draw = |seed| {
            let options = SamplingOptions { temperature: 1.0, seed, ..Default::default() };
            let mut sampler = sampler(&options);
            (0..20).map(|_| sampler.sample(&logits).unwrap().token_id).collect::<Vec<_>>()
        };
        assert_eq!(draw(Some(5)), draw(Some(5)));
        assert_ne!(draw(Some(5)), draw(Some(6)));
        assert_ne!(draw(None), draw(None));
    }

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        for (options, name) in [
            (SamplingOptions { temperature: -1.0, ..Default::default() }, "temperature"),
            (SamplingOptions { temperature: f32::NAN, ..Default::default() }, "temperature"),
            (SamplingOptions { top_p: 0.0, ..Default::default() }, "top_p"),
            (SamplingOptions { min_p: 1.5, ..Default::default() }, "min_p"),
        ] {
            let error = Sampler::try_new(&options).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
