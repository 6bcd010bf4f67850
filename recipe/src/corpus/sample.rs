//! Samples, and the halves of phrasings and items that they are drawn from.

/// Which half of a task's phrasings and items is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What training sees, often with any common word where a thing, a job, a table or a column stands, so that they
    /// are copied and not known.
    Train,
    /// What most of a run sees: as the first, with words of the sentences and of the questions exchanged for any other
    /// and any of the fields asked for, so that what stands where and what is asked decide, and not the sentence as a
    /// whole. Some words are made of any pieces that the tokenizer has, so that no token is left that was never read
    /// and never written.
    Varied,
    /// What only evaluation sees.
    HeldOut,
}

impl Split {
    /// The half of `train` and `held_out` that this split draws from.
    pub fn of<T>(self, train: T, held_out: T) -> T {
        match self {
            Self::Train | Self::Varied => train,
            Self::HeldOut => held_out,
        }
    }

    /// Whether this is one of the training halves.
    pub fn trains(self) -> bool {
        self != Self::HeldOut
    }

    /// Whether this is what most of a run sees.
    pub fn varies(self) -> bool {
        self == Self::Varied
    }

    /// Whether `item` belongs to this split; one item in eight is held out.
    pub fn owns(self, item: &str) -> bool {
        let hash = item.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ((hash >> 17) % 8 == 0) == (self == Self::HeldOut)
    }
}

/// A question and the one right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What the user asks.
    pub prompt: String,
    /// What the model is to answer.
    pub answer: String,
}

impl Sample {
    /// A sample of `prompt` and `answer`.
    pub fn new(prompt: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), answer: answer.into() }
    }
}
