//! A backup as a store that can be read: each path of its lake, with the content that it had.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::manifest::{Backup, BackupObject};
use super::store::{BackupStore, content_path};
use crate::Lake;

/// The objects of one backup, under the paths that they had.
#[derive(Debug)]
struct BackupView {
    inner: Arc<dyn ObjectStore>,
    objects: BTreeMap<Path, BackupObject>,
}

impl BackupStore {
    /// The lake of a backup, to be read.
    pub(super) async fn view(&self, backup: &Backup) -> std::result::Result<Lake, crate::Error> {
        let list = self.list(backup).await?.into_iter();
        let objects = list.map(|object| (Path::from(object.path.as_str()), object));
        let objects = objects.collect();
        Ok(self
            .place()
            .over(|inner| Arc::new(BackupView { inner, objects })))
    }
}

impl BackupView {
    fn meta(path: &Path, object: &BackupObject) -> ObjectMeta {
        ObjectMeta {
            location: path.clone(),
            last_modified: DateTime::from_timestamp_micros(object.written).unwrap_or_default(),
            size: object.bytes,
            e_tag: None,
            version: None,
        }
    }
}

fn read_only() -> Error {
    Error::NotSupported {
        source: "a backup is only read".into(),
    }
}

#[async_trait]
impl ObjectStore for BackupView {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(object) = self.objects.get(location) else {
            return Err(Error::NotFound {
                path: location.to_string(),
                source: "the backup does not have it".into(),
            });
        };
        let mut found = self
            .inner
            .get_opts(&content_path(&object.hash), options)
            .await?;
        found.meta = Self::meta(location, object);
        Ok(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| Err(read_only())).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let within = |path: &Path| prefix.is_none_or(|prefix| path.prefix_matches(prefix));
        let listed = self.objects.iter().filter(|(path, _)| within(path));
        let metas: Vec<_> = listed
            .map(|(path, object)| Ok(Self::meta(path, object)))
            .collect();
        stream::iter(metas).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        let mut listed = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
            extensions: Default::default(),
        };
        for (path, object) in &self.objects {
            let Some(mut below) = path.prefix_match(&prefix) else {
                continue;
            };
            match (below.next(), below.next()) {
                (Some(folder), Some(_)) => {
                    let folder = prefix.clone().join(folder);
                    if listed.common_prefixes.last() != Some(&folder) {
                        listed.common_prefixes.push(folder);
                    }
                }
                _ => listed.objects.push(Self::meta(path, object)),
            }
        }
        Ok(listed)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

impl fmt::Display for BackupView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a backup in {}", self.inner)
    }
}
