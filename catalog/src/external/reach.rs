//! Reads parts of foreign files: of the machine's own, and of those in the lake's store.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use sink::{ForeignBucket, S3};
use tokio::runtime::Handle;

use crate::error::Error;

/// Where the files of a tree are.
pub(super) enum Reach {
    Folder,
    Bucket {
        bucket: ForeignBucket,
        /// `s3://BUCKET/`
        prefix: String,
        runtime: Handle,
    },
}

impl Reach {
    /// The place of a tree with that root. It belongs to the runtime that opens it.
    ///
    /// # Errors
    /// The store's, if its settings reach no bucket.
    pub(super) fn open(s3: &S3, root: &str) -> Result<Self, Error> {
        let Some(rest) = root.strip_prefix("s3://") else {
            return Ok(Self::Folder);
        };
        let bucket = rest.split('/').next().unwrap_or(rest);
        Ok(Self::Bucket {
            bucket: ForeignBucket::open(s3, bucket)?,
            prefix: format!("s3://{bucket}/"),
            runtime: Handle::current(),
        })
    }

    /// Some bytes of a file, on a thread that may block. The error says why there are none.
    pub(super) fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, String> {
        match self {
            Self::Folder => {
                let length = usize::try_from(range.end.saturating_sub(range.start));
                let mut bytes = vec![0; length.map_err(|error| error.to_string())?];
                let mut read = || {
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(range.start))?;
                    file.read_exact(&mut bytes)
                };
                read().map_err(|error: std::io::Error| error.to_string())?;
                Ok(bytes)
            }
            Self::Bucket {
                bucket,
                prefix,
                runtime,
            } => {
                let key = path.strip_prefix(prefix.as_str()).unwrap_or(path);
                let read = runtime.block_on(bucket.read(key, range));
                let bytes = read.map_err(|error| error.to_string())?;
                Ok(bytes.into())
            }
        }
    }
}
