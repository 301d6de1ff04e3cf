//! Objects of others in the lake's store, read in parts.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::open::bucket_store;
use crate::{Error, S3};

/// A bucket with objects that are not the lake's.
#[derive(Clone)]
pub struct ForeignBucket {
    store: Arc<dyn ObjectStore>,
}

impl fmt::Debug for ForeignBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignBucket").finish_non_exhaustive()
    }
}

impl ForeignBucket {
    /// The bucket of that name, reached as the lake is.
    ///
    /// # Errors
    /// [`Error::Unfit`] for settings that reach no bucket.
    pub fn open(config: &S3, bucket: &str) -> Result<Self, Error> {
        Ok(Self {
            store: Arc::new(bucket_store(config, bucket, "lake")?),
        })
    }

    /// Some bytes of an object.
    ///
    /// # Errors
    /// [`Error::Refused`] for a key that the store's client cannot name; the store's.
    pub async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let path = Path::parse(key)
            .map_err(|error| Error::Refused(format!("its key cannot be asked for: {error}")))?;
        Ok(self.store.get_range(&path, range).await?)
    }
}
