//! Why a worker ends.

/// An error that ends the worker; what can be waited out is waited out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topic cannot be read exactly once, or is closed.
    #[error(transparent)]
    Topic(#[from] topic::ReadError),
    /// The lake cannot be used.
    #[error(transparent)]
    Lake(#[from] sink::Error),
}
