//! Where a lake is.

use std::fmt;
use std::path::PathBuf;

/// Where a lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder, as a canonical absolute path.
    Folder(PathBuf),
    /// A bucket, and the prefix in it (empty for the bucket itself; no slash at either end).
    Bucket {
        /// The bucket.
        bucket: String,
        /// The prefix.
        prefix: String,
    },
}

impl Location {
    /// The absolute name of a lake's path: `/folder/clicks/…` or `s3://bucket/prefix/clicks/…`.
    #[must_use]
    pub fn absolute(&self, path: &str) -> String {
        format!("{self}/{path}")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}
