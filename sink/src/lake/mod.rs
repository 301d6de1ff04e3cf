//! The lake at rest: a store, a place in it, and the few things that everybody does there.

mod bucket;
pub(crate) mod commit;
mod probe;
pub(crate) mod tips;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use topic::{Offset, Partition};

use crate::object::names::{self, CLICKS, LETTERS};
use crate::{Error, Hour, ObjectName, S3};

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

/// Where heavy work runs, such as encoding a batch.
#[derive(Debug, Clone)]
pub enum Pool {
    /// On tokio's threads for blocking work, no more at once than this: each encoding takes some
    /// 30 MB besides its batch, and one that waits for a core takes them as well.
    Threads(Arc<Semaphore>),
    /// Where it is asked for: a simulation has one thread, and its time stands still meanwhile.
    Inline,
}

impl Default for Pool {
    /// Threads that leave a core to those who read and serve.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::Threads(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }
}

impl Pool {
    /// Runs `work`; an error where it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        match self {
            Self::Threads(free) => {
                let permit = Arc::clone(free).acquire_owned().await;
                let permit = permit.expect("the semaphore is never closed");
                // Work that was begun is not ended by whoever goes away: it holds its permit.
                tokio::task::spawn_blocking(move || {
                    let done = work();
                    drop(permit);
                    done
                })
                .await
            }
            Self::Inline => Ok(work()),
        }
    }
}

/// The lake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    location: Location,
    pool: Pool,
}

impl Lake {
    /// A lake over a store whose root is the lake's own place. Tests hand in decorated stores.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, location: Location) -> Self {
        Self {
            store,
            location,
            pool: Pool::default(),
        }
    }

    /// The same lake, its heavy work elsewhere.
    #[must_use]
    pub fn with_pool(self, pool: Pool) -> Self {
        Self { pool, ..self }
    }

    /// Opens the lake that `config.url` names; a folder is made.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a URL of another kind, [`Error::Unavailable`] for a folder that
    /// cannot be made.
    pub fn open(config: &S3) -> Result<Self, Error> {
        if let Some(folder) = config.url.strip_prefix("file:") {
            let unusable = |error: &dyn fmt::Display| {
                Error::Unfit(format!(
                    "the lake's folder {folder} cannot be used: {error}"
                ))
            };
            std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
            let folder = std::fs::canonicalize(folder).map_err(|error| unusable(&error))?;
            let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
            return Ok(Self::new(Arc::new(store), Location::Folder(folder)));
        }
        let Some(rest) = config.url.strip_prefix("s3://") else {
            return Err(Error::Unfit(format!(
                "lake.url is {:?}: write file:FOLDER or s3://BUCKET/PREFIX",
                config.url
            )));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        let store = bucket_store(config, bucket)?;
        let location = Location::Bucket {
            bucket: bucket.into(),
            prefix: prefix.into(),
        };
        let store: Arc<dyn ObjectStore> = if prefix.is_empty() {
            Arc::new(store)
        } else {
            Arc::new(PrefixStore::new(store, prefix))
        };
        Ok(Self::new(store, location))
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
        Self::new(Arc::new(store), location).with_pool(self.pool.clone())
    }

    /// The folders just below `folder`, by their own names.
    pub(crate) async fn folders(&self, folder: &str) -> Result<Vec<String>, Error> {
        let folder = Path::from(folder);
        let listed = self.store.list_with_delimiter(Some(&folder)).await?;
        Ok(listed
            .common_prefixes
            .iter()
            .filter_map(|path| Some(path.filename()?.to_owned()))
            .collect())
    }

    pub(crate) fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// Creates an object; false where one of that name is there already.
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

    /// An object's bytes, none where it is not there.
    pub(crate) async fn read_if_there(&self, path: &Path) -> Result<Option<Bytes>, Error> {
        match self.store.get(path).await {
            Ok(object) => Ok(Some(object.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an object is there.
    pub(crate) async fn is_there(&self, path: &Path) -> Result<bool, Error> {
        match self.store.head(path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The hours that hold objects, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn hours(&self) -> Result<Vec<Hour>, Error> {
        self.hours_since(None).await
    }

    /// The hours from `since` on that hold objects, newest first; no folder of an earlier
    /// day is looked into.
    ///
    /// # Errors
    /// The store's.
    pub async fn hours_since(&self, since: Option<Hour>) -> Result<Vec<Hour>, Error> {
        let least = since
            .map(|hour| format!("{CLICKS}/{hour}"))
            .unwrap_or_default();
        let mut folders = vec![Path::from(CLICKS)];
        for _level in ["year", "month", "day", "hour"] {
            let mut below = Vec::new();
            for folder in &folders {
                below.extend(
                    self.store
                        .list_with_delimiter(Some(folder))
                        .await?
                        .common_prefixes,
                );
            }
            // Numbers in paths have leading zeros, so paths order as their times do.
            below.retain(|folder| {
                let path = folder.as_ref();
                least.get(..path.len()).is_none_or(|least| path >= least)
            });
            folders = below;
        }
        let mut hours: Vec<Hour> = folders
            .iter()
            .filter_map(|folder| Hour::parse(folder.as_ref().strip_prefix(CLICKS)?.get(1..)?))
            .collect();
        hours.sort_unstable_by(|left, right| right.cmp(left));
        Ok(hours)
    }

    /// The click objects of an hour and their sizes in bytes, in the order of their names.
    /// What else lies there is passed over.
    ///
    /// # Errors
    /// The store's.
    pub async fn objects(&self, hour: Hour) -> Result<Vec<(ObjectName, u64)>, Error> {
        let listed = self.files(Some(hour)).await?;
        let mut objects: Vec<(ObjectName, u64)> = listed
            .iter()
            .filter_map(|(path, size)| Some((ObjectName::parse(path)?, *size)))
            .collect();
        objects.sort_unstable();
        Ok(objects)
    }

    /// Every object of dead letters: its path, its partition, and where its range begins.
    ///
    /// # Errors
    /// The store's.
    pub async fn letters(&self) -> Result<Vec<(String, Partition, Offset)>, Error> {
        let listed = self.store.list(Some(&Path::from(LETTERS)));
        let paths: Vec<String> = listed
            .map_ok(|meta| meta.location.to_string())
            .try_collect()
            .await?;
        let read = |path: String| {
            let (partition, first) = names::parse_letters(&path)?;
            Some((path, partition, first))
        };
        Ok(paths.into_iter().filter_map(read).collect())
    }

    /// Deletes an object of dead letters that no committed object names.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self, letters: &str) -> Result<(), Error> {
        Ok(self.store.delete(&Path::from(letters)).await?)
    }

    /// Whatever lies in an hour's folder, or (none) in that of all click objects: paths in
    /// the lake, and sizes in bytes, in no order.
    ///
    /// # Errors
    /// The store's.
    pub async fn files(&self, hour: Option<Hour>) -> Result<Vec<(String, u64)>, Error> {
        let folder = hour.map_or_else(|| CLICKS.to_owned(), |hour| format!("{CLICKS}/{hour}"));
        let folder = Path::from(folder);
        let listed = self.store.list(Some(&folder));
        let files = listed.map_ok(|meta| (meta.location.to_string(), meta.size));
        Ok(files.try_collect().await?)
    }
}

pub(crate) fn bucket_store(
    config: &S3,
    bucket: &str,
) -> Result<object_store::aws::AmazonS3, object_store::Error> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // The commit has its own patience; the client's only bridges a hiccup.
        .with_retry(RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
            ..RetryConfig::default()
        });
    if !config.endpoint.is_empty() {
        builder = builder
            .with_endpoint(&config.endpoint)
            .with_allow_http(config.endpoint.starts_with("http://"))
            .with_virtual_hosted_style_request(false);
    }
    if !config.access_key.is_empty() {
        builder = builder
            .with_access_key_id(&config.access_key)
            .with_secret_access_key(config.secret_key.expose_secret());
    }
    builder.build()
}
