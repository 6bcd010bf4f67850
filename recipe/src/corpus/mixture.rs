//! What the model is taught, and the mixture in which training sees it.

use std::fmt;

use crate::corpus::sample::{Sample, Split};
use crate::corpus::tasks::{
    capitals, extraction, plain_answers, repeats, sentiment, sql_questions, sums, units,
};
use crate::rng::Rng;

/// What a part of the run sees: how often each task, and which half of its phrasings and items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixture {
    /// All tasks alike.
    First,
    /// What is known by heart by then makes room for what is copied and for what is learnt slowest.
    Second,
}

impl Mixture {
    /// The half of phrasings and items.
    pub fn split(self) -> Split {
        match self {
            Self::First => Split::Train,
            Self::Second => Split::Varied,
        }
    }
}

/// What the model is taught to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Capitals of countries.
    Capitals,
    /// Additions, subtractions and small products.
    Sums,
    /// Conversions between units.
    Units,
    /// Whether a short review is positive or negative.
    Sentiment,
    /// Fields of a sentence as JSON.
    Extraction,
    /// A question about a small schema as SQL.
    SqlQuestions,
    /// Short plain answers: what things are and what commands do.
    PlainAnswers,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 7] = [
        Self::Capitals,
        Self::Sums,
        Self::Units,
        Self::Sentiment,
        Self::Extraction,
        Self::SqlQuestions,
        Self::PlainAnswers,
    ];

    /// The name of the task, which is also that of its generator and its file of written questions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capitals => "capitals",
            Self::Sums => "sums",
            Self::Units => "units",
            Self::Sentiment => "sentiment",
            Self::Extraction => "extraction",
            Self::SqlQuestions => "sql_questions",
            Self::PlainAnswers => "plain_answers",
        }
    }

    /// How many of a hundred samples of a mixture are of this task.
    fn share(self, mixture: Mixture) -> u32 {
        let (first, second) = match self {
            Self::Capitals => (13, 5),
            Self::Sums => (16, 16),
            Self::Units => (12, 8),
            Self::Sentiment => (16, 28),
            Self::Extraction => (21, 30),
            Self::SqlQuestions => (14, 9),
            Self::PlainAnswers => (8, 4),
        };
        match mixture {
            Mixture::First => first,
            Mixture::Second => second,
        }
    }

    /// A sample of this task.
    pub fn sample(self, rng: &mut Rng, split: Split) -> Sample {
        match self {
            Self::Capitals => capitals::sample(rng, split),
            Self::Sums => sums::sample(rng, split),
            Self::Units => units::sample(rng, split),
            Self::Sentiment => sentiment::sample(rng, split),
            Self::Extraction => extraction::sample(rng, split),
            Self::SqlQuestions => sql_questions::sample(rng, split),
            Self::PlainAnswers => plain_answers::sample(rng, split),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A training sample of a task drawn by its share.
pub fn mixed(rng: &mut Rng, mixture: Mixture) -> Sample {
    let split = mixture.split();
    let repeats = match mixture {
        Mixture::First => 0.2,
        Mixture::Second => 0.12,
    };
    if rng.chance(repeats) {
        return repeats::sample(rng, split);
    }
    let mut left = rng.between(0, 99);
    for task in Task::ALL {
        if left < task.share(mixture) {
            let sample = match task {
                // A country is more than its capital, and what is known of it helps to tell it from others.
                Task::Capitals if rng.chance(0.3) => capitals::other_fact(rng),
                _ => task.sample(rng, split),
            };
            return sample;
        }
        left -= task.share(mixture);
    }
    unreachable!("the shares add up to a hundred")
}
