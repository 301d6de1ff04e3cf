//! A lake that is being restored: its ledgers are in folders of another name until all is there, so
//! that nobody takes a part of it for a lake.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::object::names::LEDGER;

/// The folder of a ledger until then.
pub(super) const RESTORING: &str = "_restoring";

/// A store where each folder `_ledger` is one `_restoring`.
#[derive(Debug)]
pub(super) struct RestoringStore {
    inner: Arc<dyn ObjectStore>,
}

impl RestoringStore {
    pub(super) fn over(inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Self { inner })
    }
}

/// The same path with one name of a folder in the place of another.
fn renamed(path: &Path, from: &str, to: &str) -> Path {
    let parts = path.parts();
    parts
        .map(|part| match part.as_ref() == from {
            true => to.into(),
            false => part,
        })
        .collect()
}

fn there(path: &Path) -> Path {
    renamed(path, LEDGER, RESTORING)
}

/// The path of a ledger's file, where it is until all is there and where it is then.
pub(super) fn ledger_path(path: &Path) -> Path {
    renamed(path, RESTORING, LEDGER)
}

fn said(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        location: ledger_path(&meta.location),
        ..meta
    }
}

#[async_trait]
impl ObjectStore for RestoringStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(&there(location), payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(&there(location), opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.inner.get_opts(&there(location), options).await?;
        found.meta = said(found.meta);
        Ok(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let locations = locations.map_ok(|path| there(&path)).boxed();
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.map(there);
        self.inner.list(prefix.as_ref()).map_ok(said).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.map(there);
        let listed = self.inner.list_with_delimiter(prefix.as_ref()).await?;
        let folders = listed.common_prefixes.iter().map(ledger_path);
        Ok(ListResult {
            common_prefixes: folders.collect(),
            objects: listed.objects.into_iter().map(said).collect(),
            extensions: listed.extensions,
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner
            .copy_opts(&there(from), &there(to), options)
            .await
    }
}

impl fmt::Display for RestoringStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
