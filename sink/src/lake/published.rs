//! What is published for other engines. It is a copy of what the lake says, never a part of it.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use topic::Timestamp;

use super::Lake;
use crate::Error;

/// The folder of all that is published.
const PUBLISHED: &str = "published";
/// The largest published file that is read back.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A published file: its path in the lake, and when the store wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its path in the lake.
    pub path: String,
    /// When it was written, by the store's clock.
    pub written_at: Timestamp,
}

impl Lake {
    /// Creates a file below `published/`; false if one of that name is there already.
    ///
    /// # Errors
    /// The store's.
    pub async fn create_published(&self, name: &str, bytes: Bytes) -> Result<bool, Error> {
        self.create(&published(name), bytes).await
    }

    /// A file below `published/`; `None` if it is not there.
    ///
    /// # Errors
    /// As any read's of the store.
    pub async fn read_published(&self, name: &str) -> Result<Option<Bytes>, Error> {
        self.read_if_there(&published(name), MAX_FILE_BYTES).await
    }

    /// The files in a folder below `published/`, in no order.
    ///
    /// # Errors
    /// The store's.
    pub async fn published_files(&self, folder: &str) -> Result<Vec<PublishedFile>, Error> {
        let listed = self.store().list(Some(&published(folder)));
        let files = listed.map_ok(|meta| PublishedFile {
            path: meta.location.to_string(),
            written_at: Timestamp::from_micros(meta.last_modified.timestamp_micros()),
        });
        Ok(files.try_collect().await?)
    }

    /// Deletes a published file.
    ///
    /// # Errors
    /// The store's.
    pub async fn withdraw(&self, file: &PublishedFile) -> Result<(), Error> {
        Ok(self.store().delete(&Path::from(file.path.as_str())).await?)
    }
}

fn published(name: &str) -> Path {
    Path::from(format!("{PUBLISHED}/{name}"))
}
