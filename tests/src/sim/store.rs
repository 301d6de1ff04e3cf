//! The store of the simulation: an object store in memory with a network before it.
//!
//! Without faults it passes the object store's own suite. A request that was sent lands even if its
//! sender dies.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use topic::Timestamp;

use super::{Bug, Dice, Fault, Link, Process};

/// A request's way, in milliseconds.
const WAY: Range<u64> = 1..30;

/// The store's state: its objects, and those that it does not show yet.
#[derive(Debug)]
pub struct Bucket {
    inner: InMemory,
    dice: Arc<Dice>,
    /// The time from which an object is found, and from which it is listed.
    shown: Mutex<BTreeMap<Path, (Instant, Instant)>>,
    /// The time until which every request is denied.
    denied: Mutex<Instant>,
    /// When the store began, and its own time at which each object was written.
    begun: Instant,
    written: Mutex<BTreeMap<Path, Timestamp>>,
}

impl Bucket {
    /// An empty bucket.
    #[must_use]
    pub fn new(dice: Arc<Dice>) -> Arc<Self> {
        Arc::new(Self {
            inner: InMemory::new(),
            dice,
            shown: Mutex::default(),
            denied: Mutex::new(Instant::now()),
            begun: Instant::now(),
            written: Mutex::default(),
        })
    }

    /// The bucket as a process sees it.
    #[must_use]
    pub fn seen_by(self: &Arc<Self>, process: &Arc<Process>, bug: Option<Bug>) -> Arc<Client> {
        Arc::new(Client {
            bucket: self.clone(),
            process: process.clone(),
            bug,
        })
    }

    /// Denies every request for this long.
    pub fn deny(&self, time: Duration) {
        *self.denied.lock() = Instant::now() + time;
    }

    /// All objects, by path.
    ///
    /// # Panics
    /// Never: the store is in memory.
    pub async fn contents(&self) -> Vec<(String, Bytes)> {
        let all: Vec<ObjectMeta> = self
            .inner
            .list(None)
            .try_collect()
            .await
            .expect("memory lists");
        let mut contents = Vec::with_capacity(all.len());
        for ObjectMeta { location, .. } in all {
            let object = self.inner.get(&location).await.expect("it was listed");
            let bytes = object.bytes().await.expect("memory reads");
            contents.push((location.to_string(), bytes));
        }
        contents
    }

    /// The objects, without a network before them.
    pub(super) const fn memory(&self) -> &InMemory {
        &self.inner
    }

    /// Notes that an object was written now.
    fn write(&self, location: &Path) {
        let since = i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = Timestamp::from_micros(since);
        self.written.lock().insert(location.clone(), now);
    }

    /// The object's metadata with the time of this store.
    fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        match self.written.lock().get(&meta.location) {
            Some(written) if is_of_lake(&meta.location) => ObjectMeta {
                last_modified: written.datetime(),
                ..meta
            },
            _ => meta,
        }
    }

    fn is_denied(&self) -> bool {
        Instant::now() < *self.denied.lock()
    }

    /// Sends a put; the receiver is notified when it has landed.
    fn send(
        self: &Arc<Self>,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
        way: Duration,
    ) -> oneshot::Receiver<Result<PutResult>> {
        let (landed, answer) = oneshot::channel();
        let (bucket, location) = (self.clone(), location.clone());
        tokio::spawn(async move {
            sleep(way).await;
            let done = bucket.inner.put_opts(&location, payload, opts).await;
            bucket.dice.note(&(location.as_ref(), done.is_ok()));
            if done.is_ok() {
                bucket.write(&location);
                bucket.hide(location);
            }
            // The sender may be gone.
            let _ = landed.send(done);
        });
        answer
    }

    /// Draws for how long a new object is not shown.
    fn hide(&self, location: Path) {
        let now = Instant::now();
        let mut shown = (now, now);
        if self.dice.strikes(Fault::GetLate, 20) {
            shown.0 += self.dice.millis(1..2_000);
        }
        if self.dice.strikes(Fault::ListLate, 100) {
            shown.1 += self.dice.millis(1..15_000);
        }
        if shown != (now, now) {
            self.shown.lock().insert(location, shown);
        }
    }

    fn is_found(&self, location: &Path) -> bool {
        let shown = self.shown.lock();
        shown
            .get(location)
            .is_none_or(|(found, _)| *found <= Instant::now())
    }

    fn is_listed(&self, location: &Path) -> bool {
        let shown = self.shown.lock();
        shown
            .get(location)
            .is_none_or(|(_, listed)| *listed <= Instant::now())
    }

    /// The listed objects below a prefix.
    async fn listed(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let all: Vec<ObjectMeta> = self.inner.list(prefix).try_collect().await?;
        let listed = |meta: &ObjectMeta| self.is_listed(&meta.location);
        let dated = |meta| self.dated(meta);
        Ok(all.into_iter().filter(listed).map(dated).collect())
    }
}

/// Returns true for what a lake writes. The suite of the object store compares other objects' times
/// with conditions that the memory itself checks.
fn is_of_lake(location: &Path) -> bool {
    let folders = ["clicks/", "swaps/", "_ledger/", "dead_letters/"];
    folders
        .iter()
        .any(|folder| location.as_ref().starts_with(folder))
}

/// The bucket as one process sees it.
#[derive(Debug)]
pub struct Client {
    bucket: Arc<Bucket>,
    process: Arc<Process>,
    bug: Option<Bug>,
}

fn failed(what: &str) -> Error {
    Error::Generic {
        store: "simulated",
        source: what.to_owned().into(),
    }
}

impl Client {
    /// Carries a request to the store.
    async fn request(&self) -> Result<()> {
        self.process.pass().await;
        if self.process.is_cut(Link::Store).await {
            return Err(failed("the connection timed out"));
        }
        sleep(self.bucket.dice.millis(WAY)).await;
        match self.bucket.is_denied() {
            true => Err(Error::PermissionDenied {
                path: String::new(),
                source: "403 ExpiredToken".into(),
            }),
            false => Ok(()),
        }
    }

    /// Carries the answer back; it is lost if the link is cut.
    async fn answer<T>(&self, answer: Result<T>) -> Result<T> {
        self.process.pass().await;
        if self.process.is_cut(Link::Store).await {
            return Err(failed("the connection timed out"));
        }
        answer
    }

    /// A conditional create, as a failing store answers it.
    async fn create(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let Bucket { dice, .. } = &*self.bucket;
        if dice.strikes(Fault::CreateRefused, 40) {
            return Err(failed("503 SlowDown"));
        }
        if dice.strikes(Fault::CreateConflict, 20) {
            return Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "409 OperationAborted".into(),
            });
        }
        if dice.strikes(Fault::CreateLate, 30) {
            let late = dice.millis(100..20_000);
            drop(self.bucket.send(location, payload, opts, late));
            return Err(failed("the connection timed out"));
        }
        let way = match dice.strikes(Fault::CreateSlow, 20) {
            true => dice.millis(3_000..9_000),
            false => dice.millis(WAY),
        };
        let sent = self.bucket.send(location, payload, opts, way);
        let landed = sent.await.expect("what was sent lands");
        if dice.strikes(Fault::CreateReplyLost, 30) {
            return Err(failed("connection reset by peer"));
        }
        if landed.is_ok() && dice.strikes(Fault::StoredThen500, 20) {
            return Err(failed("500 InternalError"));
        }
        landed
    }

    /// A planted bug: the create is retried in the background and counts as done.
    fn create_ahead(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> PutResult {
        let client = Self {
            bucket: self.bucket.clone(),
            process: self.process.clone(),
            bug: None,
        };
        let location = location.clone();
        tokio::spawn(async move {
            // Until it is created, or another object has its name.
            while let Err(error) = client
                .put_opts(&location, payload.clone(), opts.clone())
                .await
            {
                let taken = client.bucket.inner.head(&location).await.is_ok();
                if matches!(error, Error::AlreadyExists { .. }) && taken {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        taken_for_done()
    }
}

/// The answer that a planted bug assumes.
fn taken_for_done() -> PutResult {
    PutResult {
        e_tag: None,
        version: None,
        extensions: Extensions::default(),
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

#[async_trait]
impl ObjectStore for Client {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        let is_click = opts.mode == PutMode::Create && location.as_ref().starts_with("clicks/");
        match self.bug.filter(|_| is_click) {
            Some(Bug::PlainPut) => opts.mode = PutMode::Overwrite,
            Some(Bug::CreateAhead) => return Ok(self.create_ahead(location, payload, opts)),
            _ => {}
        }
        if is_click {
            self.process.before_create();
        }
        self.request().await?;
        let stored = match is_click || opts.mode == PutMode::Create {
            true => self.create(location, payload, opts).await,
            false => {
                self.bucket.write(location);
                self.bucket.inner.put_opts(location, payload, opts).await
            }
        };
        match self.answer(stored).await {
            Err(Error::AlreadyExists { .. }) if is_click && self.bug == Some(Bug::ReplyGuessed) => {
                Ok(taken_for_done())
            }
            answer => answer,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.request().await?;
        self.bucket.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.request().await?;
        if self.bucket.dice.strikes(Fault::GetFailed, 10) {
            return self.answer(Err(failed("503 SlowDown"))).await;
        }
        let found = match self.bucket.is_found(location) {
            true => {
                let found = self.bucket.inner.get_opts(location, options).await;
                found.map(|found| GetResult {
                    meta: self.bucket.dated(found.meta.clone()),
                    ..found
                })
            }
            false => Err(Error::NotFound {
                path: location.to_string(),
                source: "404 NoSuchKey".into(),
            }),
        };
        self.answer(found).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.bucket.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let client = Self {
            bucket: self.bucket.clone(),
            process: self.process.clone(),
            bug: None,
        };
        let prefix = prefix.cloned();
        let listing = async move {
            client.request().await?;
            if client.bucket.dice.strikes(Fault::ListFailed, 10) {
                return client.answer(Err(failed("503 SlowDown"))).await;
            }
            let listed = client.bucket.listed(prefix.as_ref()).await;
            let listed = client.answer(listed).await?;
            Ok(stream::iter(listed.into_iter().map(Ok)))
        };
        stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.request().await?;
        if self.bucket.dice.strikes(Fault::ListFailed, 10) {
            return self.answer(Err(failed("503 SlowDown"))).await;
        }
        let mut found = self.bucket.inner.list_with_delimiter(prefix).await?;
        found
            .objects
            .retain(|meta| self.bucket.is_listed(&meta.location));
        let mut folders = Vec::new();
        for folder in found.common_prefixes {
            if !self.bucket.listed(Some(&folder)).await?.is_empty() {
                folders.push(folder);
            }
        }
        found.common_prefixes = folders;
        self.answer(Ok(found)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.request().await?;
        self.bucket.inner.copy_opts(from, to, options).await
    }
}
