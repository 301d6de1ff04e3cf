//! A store that fails as real ones do, by a seed. It is a decorator, so the product holds no switch
//! that weakens it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The fault of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is refused before anything is stored: 503.
    Before,
    /// It is stored, and the reply is lost.
    ReplyLost,
    /// The store reports a conflict, and no object is there.
    EmptyConflict,
    /// The connection is cut, and the create lands later, perhaps after another one.
    Delayed,
}

/// A store with faults at `percent` of its creates.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    choices: Mutex<StdRng>,
    percent: u32,
    /// A planted bug: the create is a plain put.
    unconditional: bool,
    injected: Arc<AtomicU64>,
}

impl Faulty {
    /// Decorates a store.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, seed: u64, percent: u32) -> Self {
        Self {
            inner,
            choices: Mutex::new(StdRng::seed_from_u64(seed)),
            percent,
            unconditional: false,
            injected: Arc::default(),
        }
    }

    /// Plants the bug: conditional creates become plain puts.
    #[must_use]
    pub fn unconditional(mut self) -> Self {
        self.unconditional = true;
        self
    }

    /// The counter of injected faults, which stays readable after the store was handed over.
    #[must_use]
    pub fn injected(&self) -> Arc<AtomicU64> {
        self.injected.clone()
    }

    fn fault(&self) -> Option<Fault> {
        let mut choices = self.choices.lock();
        if choices.random_range(0..100) >= self.percent {
            return None;
        }
        self.injected.fetch_add(1, Ordering::Relaxed);
        let faults = [
            Fault::Before,
            Fault::ReplyLost,
            Fault::EmptyConflict,
            Fault::Delayed,
        ];
        Some(faults[choices.random_range(0..faults.len())])
    }
}

fn broken(what: &str) -> Error {
    Error::Generic {
        store: "faulty",
        source: what.to_owned().into(),
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> Result<PutResult> {
        if opts.mode != PutMode::Create {
            return self.inner.put_opts(location, payload, opts).await;
        }
        if self.unconditional {
            opts.mode = PutMode::Overwrite;
        }
        match self.fault() {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::Before) => Err(broken("503 SlowDown")),
            Some(Fault::EmptyConflict) => Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "409 OperationAborted".into(),
            }),
            Some(Fault::ReplyLost) => {
                // The answer is lost with the reply.
                let _lost = self.inner.put_opts(location, payload, opts).await;
                Err(broken("connection reset"))
            }
            Some(Fault::Delayed) => {
                let (inner, location) = (self.inner.clone(), location.clone());
                let delay = Duration::from_millis(self.choices.lock().random_range(1..400));
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _lost = inner.put_opts(&location, payload, opts).await;
                });
                Err(broken("timed out"))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
