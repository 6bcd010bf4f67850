//! How rotary frequencies are scaled.

use std::path::Path;

use crate::error::{Error, Result};

/// How rotary frequencies are stretched beyond the trained context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Every position is divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Llama 3.1's rule: low frequencies are divided by `factor`, high ones kept, those between blended.
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths longer than the original context over this are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths shorter than the original context over this are high frequencies.
        high_freq_factor: f64,
        /// The context that the model was first trained for.
        original_max_position_embeddings: usize,
    },
}

impl RopeScaling {
    pub(super) fn validate(self, file: &Path) -> Result<()> {
        let refuse = |reason: String| Err(Error::invalid(file, reason));
        let factor = match self {
            Self::Linear { factor } | Self::Llama3 { factor, .. } => factor,
        };
        if !(factor >= 1.0 && factor.is_finite()) {
            return refuse(format!("rope_scaling.factor is {factor}; it must be at least 1"));
        }
        if let Self::Llama3 {
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings,
            ..
        } = self
            && (!(low > 0.0 && high > low && high.is_finite()) || original_max_position_embeddings == 0)
        {
            return refuse("rope_scaling's frequency factors are not positive and increasing".to_owned());
        }
        Ok(())
    }

    /// The scaled value of one frequency.
    pub fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let wavelength = 2.0 * std::f64::consts::PI / frequency;
                let context = original_max_position_embeddings as f64;
                if wavelength < context / high_freq_factor {
                    frequency
                } else if wavelength > context / low_freq_factor {
                    frequency / factor
                } else {
                    let smooth =
                        (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - smooth) * frequency / factor + smooth * frequency
                }
            }
        }
    }
}
