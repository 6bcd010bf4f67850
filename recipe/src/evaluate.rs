//! Scores: how often the whole answer is right, for every task, and how often `embed` finds a paraphrase.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Answerer;
use crate::corpus::tasks::paraphrases;
use crate::corpus::{Sample, Split, Task};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// So many right of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Right answers.
    pub right: usize,
    /// Questions asked.
    pub asked: usize,
}

impl Score {
    /// The right part of all.
    pub fn ratio(self) -> f64 {
        self.right as f64 / self.asked.max(1) as f64
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} % ({} of {})", 100.0 * self.ratio(), self.right, self.asked)
    }
}

/// A question that was answered wrongly.
#[derive(Clone, Debug)]
pub struct Miss {
    /// The question.
    pub question: String,
    /// What was right.
    pub wanted: String,
    /// What was answered.
    pub got: String,
}

/// Asks every question and compares the whole answers.
pub fn score(answerer: &mut Answerer, task: Task, samples: &[Sample]) -> Result<(Score, Vec<Miss>)> {
    let questions: Vec<String> = samples.iter().map(|sample| sample.prompt.clone()).collect();
    let answers = answerer.answer(&questions)?;
    let mut score = Score { right: 0, asked: samples.len() };
    let mut misses = Vec::new();
    for (sample, got) in samples.iter().zip(answers) {
        if right(task, &sample.answer, &got) {
            score.right += 1;
        } else {
            misses.push(Miss { question: sample.prompt.clone(), wanted: sample.answer.clone(), got });
        }
    }
    Ok((score, misses))
}

/// Whether `got` is the answer: as JSON for extractions, else letter by letter.
fn right(task: Task, wanted: &str, got: &str) -> bool {
    if task == Task::Extraction {
        let parsed: std::result::Result<Value, _> = serde_json::from_str(got);
        return parsed
            .is_ok_and(|got| serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == got));
    }
    got == wanted
}

/// `count` different held-out samples of a task.
pub fn held_out(task: Task, count: usize, seed: u64) -> Vec<Sample> {
    let mut rng = Rng::new(seed, 77);
    let mut seen = HashSet::new();
    let mut samples = Vec::new();
    while samples.len() < count {
        let sample = task.sample(&mut rng, Split::HeldOut);
        if seen.insert(sample.prompt.clone()) {
            samples.push(sample);
        }
    }
    samples
}

#[derive(Deserialize)]
struct Written {
    question: String,
    answer: String,
}

/// The questions that were written by hand for a task.
pub fn written(task: Task) -> Result<Vec<Sample>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("questions/{task}.jsonl"));
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            let written: Written = serde_json::from_str(line)
                .map_err(|e| Error::Argument(format!("{}:{}: {e}", path.display(), number + 1)))?;
            Ok(Sample::new(written.question, written.answer))
        })
        .collect()
}

/// Among `count` texts, how often the nearest to each is its own paraphrase; all from ways that training never saw.
pub fn paraphrases(answerer: &mut Answerer, count: usize, seed: u64) -> Result<Score> {
    let mut rng = Rng::new(seed, 78);
    let mut seen = HashSet::new();
    let (mut queries, mut texts) = (Vec::new(), Vec::new());
    while queries.len() < count {
        let (a, b) = paraphrases::pair(&mut rng, Split::HeldOut);
        if a != b && seen.insert(a.clone()) && seen.insert(b.clone()) {
            queries.push(a);
            texts.push(b);
        }
    }
    let (queries, texts) = (answerer.embed(&queries)?, answerer.embed(&texts)?);
    let mut score = Score { right: 0, asked: count };
    for (index, query) in queries.iter().enumerate() {
        let similarity = |text: &Vec<f32>| -> f32 { query.iter().zip(text).map(|(a, b)| a * b).sum() };
        let best = (0..count).max_by(|&a, &b| similarity(&texts[a]).total_cmp(&similarity(&texts[b])));
        score.right += usize::from(best == Some(index));
    }
    Ok(score)
}
