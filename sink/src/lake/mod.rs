//! The lake at rest: a store, a place in it, and the few operations that all other files use.

mod bucket;
pub(crate) mod commit;
pub(crate) mod folder;
pub(crate) mod foreign;
mod keys;
mod list;
pub(crate) mod location;
mod open;
pub(crate) mod pool;
mod probe;
pub(crate) mod published;
pub(crate) mod sorted;
mod staged;
pub(crate) mod tips;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use self::location::Location;
use self::pool::Pool;
use crate::Error;
use crate::config::GRACE;
use crate::object::sort::spill::SpillFolder;

/// The lake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    location: Location,
    pool: Pool,
    grace: Duration,
    spill: SpillFolder,
}

impl Lake {
    /// A lake over a store whose root is the lake's own place. Tests hand in decorated stores.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, location: Location) -> Self {
        Self {
            store,
            location,
            pool: Pool::default(),
            grace: GRACE,
            spill: SpillFolder::default(),
        }
    }

    /// The same lake, with another pool for heavy work.
    #[must_use]
    pub fn with_pool(self, pool: Pool) -> Self {
        Self { pool, ..self }
    }

    /// The same lake, where what a swap has replaced stays for so long.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// The same lake, where rows that memory cannot hold while they are sorted are in files of that
    /// folder. They have no names, so they are gone when the process is.
    #[must_use]
    pub fn with_spill(self, folder: PathBuf) -> Self {
        let spill = SpillFolder::at(folder);
        Self { spill, ..self }
    }

    pub(crate) const fn spill(&self) -> &SpillFolder {
        &self.spill
    }

    /// How long what a swap has replaced stays.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    /// Where the lake is.
    #[must_use]
    pub const fn location(&self) -> &Location {
        &self.location
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The lake in a folder of this one.
    pub(crate) fn below(&self, folder: &str) -> Self {
        let location = match &self.location {
            Location::Folder(path) => Location::Folder(path.join(folder)),
            Location::Bucket { bucket, prefix } => Location::Bucket {
                bucket: bucket.clone(),
                prefix: [prefix.as_str(), folder]
                    .join("/")
                    .trim_matches('/')
                    .to_owned(),
            },
        };
        let store = PrefixStore::new(Arc::clone(&self.store), folder);
        let mut below = Self::new(Arc::new(store), location)
            .with_pool(self.pool.clone())
            .with_grace(self.grace);
        below.spill = self.spill.clone();
        below
    }

    /// The same lake, over what is made of its store.
    pub(crate) fn over(
        &self,
        made: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> Self {
        Self {
            store: made(Arc::clone(&self.store)),
            ..self.clone()
        }
    }

    pub(crate) fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// Creates an object; false if one of that name is there already.
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool, Error> {
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(path, bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes an object whole, whether or not it is there: for what is published, never for
    /// what is committed.
    ///
    /// # Errors
    /// The store's.
    pub async fn replace(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        self.store.put(&Path::from(path), bytes.into()).await?;
        Ok(())
    }

    /// An object's bytes; `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::Damaged`] for one of more than `most` bytes, of which none is read; else the
    /// store's.
    pub(crate) async fn read_if_there(
        &self,
        path: &Path,
        most: u64,
    ) -> Result<Option<Bytes>, Error> {
        match self.store.get(path).await {
            Ok(object) if object.meta.size > most => Err(Error::Damaged {
                path: path.to_string(),
                detail: format!(
                    "it has {} bytes, more than clickweir writes ({most})",
                    object.meta.size
                ),
            }),
            Ok(object) => Ok(Some(object.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns true if an object is there.
    pub(crate) async fn is_there(&self, path: &Path) -> Result<bool, Error> {
        Ok(self.size_of(path).await?.is_some())
    }

    /// The size of an object in bytes; `None` if it is not there.
    ///
    /// # Errors
    /// The store's.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        self.size_of(&Path::from(path)).await
    }

    async fn size_of(&self, path: &Path) -> Result<Option<u64>, Error> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
