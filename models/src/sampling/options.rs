//! How tokens are chosen, and the limits of the numbers that say so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingOptions {
    /// 0 takes the likeliest token; above, logits are divided by it before anything else.
    pub temperature: f32,
    /// Keeps the smallest set of likeliest tokens whose probabilities reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Keeps this many likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps tokens at least this fraction as likely as the likeliest; 0 keeps all.
    pub min_p: f32,
    /// The same seed draws the same tokens from the same logits; without one every sampler differs.
    pub seed: Option<u64>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, top_k: 0, min_p: 0.0, seed: None }
    }
}

impl SamplingOptions {
    /// The highest temperature; the lowest is 0.
    pub const MAX_TEMPERATURE: f32 = 10.0;
    /// The highest `top_p`, which must be above 0.
    pub const MAX_TOP_P: f32 = 1.0;
    /// The highest `min_p`; the lowest is 0.
    pub const MAX_MIN_P: f32 = 1.0;

    /// The first option outside its limits, with them. Nothing else states these limits.
    pub fn out_of_range(&self) -> Option<OutOfRange> {
        let refuse = |name, value, range| Some(OutOfRange { name, value, range });
        let Self { temperature, top_p, min_p, .. } = *self;
        if !(0.0..=Self::MAX_TEMPERATURE).contains(&temperature) {
            return refuse("temperature", temperature, format!("between 0 and {}", Self::MAX_TEMPERATURE));
        }
        if !(top_p > 0.0 && top_p <= Self::MAX_TOP_P) {
            return refuse("top_p", top_p, format!("above 0 and at most {}", Self::MAX_TOP_P));
        }
        if !(0.0..=Self::MAX_MIN_P).contains(&min_p) {
            return refuse("min_p", min_p, format!("between 0 and {}", Self::MAX_MIN_P));
        }
        None
    }

    /// Refuses a number outside its limits.
    pub(crate) fn validate(&self) -> Result<()> {
        match self.out_of_range() {
            None => Ok(()),
            Some(refused) => {
                Err(Error::Argument(format!("{} is {}; {refused}", refused.name, refused.value)))
            }
        }
    }
}

/// An option that no token can be chosen with; displayed, it says what the option must be.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfRange {
    /// The option's name.
    pub name: &'static str,
    /// Its value.
    pub value: f32,
    range: String,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it must be {}", self.range)
    }
}
