//! Why an import stopped.

use std::path::PathBuf;

use super::lookup::LookupError;
use super::map::MapError;

/// Why an import stopped. What was acknowledged stays, and the same command goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or inflated.
    #[error("{path} cannot be read: {error}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file and its mapping do not match.
    #[error("{0}")]
    Map(#[from] MapError),
    /// The acknowledged position cannot be read or written.
    #[error("the position cannot be kept in {path}: {error}; give a folder that can be written")]
    State {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A log has one follower, which knows how far it is.
    #[error("{} is followed already: end the other follower, or let it go on", .0.display())]
    Followed(PathBuf),
    /// The lake or the topic does not say which lines it has.
    #[error("the lake and the topic do not say which lines they have: {0}")]
    Lookup(LookupError),
    /// The topic did not take the lines.
    #[error("{0}; run the same import again, it goes on where this one stopped")]
    Topic(topic::AppendError),
}
