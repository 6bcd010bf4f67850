//! Work that blocks, off the threads that serve.

use crate::error::{Error, Result};

/// Runs `work` on a thread that may block, and waits for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(format!("a background task ended early: {error}"))),
    }
}
