//! What can go wrong in training, by whose fault it is.

/// The error of everything in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value given by the caller is out of its range.
    #[error("{0}")]
    Argument(String),
    /// The model's files do not give what training needs.
    #[error(transparent)]
    Model(#[from] hyprstream_models::Error),
    /// The loss or the gradient stopped being a number; the step was not applied.
    #[error(
        "step {step}: the loss is {loss} and the gradient norm {grad_norm}; \
         lower the learning rate or look for broken rows in the training data"
    )]
    NonFinite {
        /// The step that was not applied, counted from 1.
        step: usize,
        /// Its loss.
        loss: f32,
        /// The norm of its gradient.
        grad_norm: f32,
    },
    /// The caller asked to stop; the weights are as they were before the step.
    #[error("training was cancelled")]
    Cancelled,
    /// A saved state does not belong to this run, or is damaged.
    #[error("saved training state: {0}")]
    State(String),
    /// The machine refused something, such as a thread.
    #[error("{0}")]
    Resource(String),
}

/// A result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn argument(reason: impl Into<String>) -> Self {
        Self::Argument(reason.into())
    }
}
