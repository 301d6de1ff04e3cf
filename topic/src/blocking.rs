//! Work that blocks, on a thread that may.

use crate::ReadError;

/// Runs `work` on one of tokio's threads for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ReadError::Unavailable(
            "the work on the topic was cut short".into(),
        ))
    })
}
