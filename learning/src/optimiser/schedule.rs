//! The learning rate over the steps of a run.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduler {
    /// Straight down to zero at the last step.
    #[default]
    Linear,
    /// Half a cosine down to zero at the last step.
    Cosine,
    /// It does not fall.
    Constant,
}

impl Scheduler {
    /// The factor on the peak learning rate at `step` (from 0) of `total`, after `warmup` steps of linear rise.
    pub fn factor(self, step: usize, total: usize, warmup: usize) -> f32 {
        if step < warmup {
            return (step + 1) as f32 / (warmup + 1) as f32;
        }
        let span = total.saturating_sub(warmup).max(1) as f64;
        let done = ((step - warmup) as f64 / span).min(1.0);
        let factor = match self {
            Self::Linear => 1.0 - done,
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Self::Constant => 1.0,
        };
        factor as f32
    }
}

impl FromStr for Scheduler {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "linear" => Ok(Self::Linear),
            "cosine" => Ok(Self::Cosine),
            "constant" | "constant_with_warmup" => Ok(Self::Constant),
            _ => Err(Error::argument(format!(
                "lr_scheduler_type \"{name}\" is not known; choose linear, cosine or constant"
            ))),
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Constant => "constant",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_rises_and_linear_falls_to_zero() {
        let rates: Vec<f32> = (0..10).map(|step| Scheduler::Linear.factor(step, 10, 2)).collect();
        assert!(rates[0] < rates[1] && rates[1] < rates[2]);
        assert!((rates[2] - 1.0).abs() < 1e-6);
        assert!((rates[6] - 0.5).abs() < 1e-6);
        assert!((rates[9] - 0.125).abs() < 1e-6);
    }

    #[test]
    fn cosine_is_half_way_at_the_middle_and_constant_stays() {
        assert!((Scheduler::Cosine.factor(5, 10, 0) - 0.5).abs() < 1e-6);
        assert!((Scheduler::Constant.factor(9, 10, 3) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn names_read_back_as_they_are_written() {
        for scheduler in [Scheduler::Linear, Scheduler::Cosine, Scheduler::Constant] {
            assert_eq!(scheduler.to_string().parse::<Scheduler>().unwrap(), scheduler);
        }
        assert!("polynomial".parse::<Scheduler>().is_err());
    }
}
