//! A folder as a store: what others put into it stops no listing.
//!
//! `object_store` follows symbolic links, out of the lake and in circles, and ends a listing at the
//! first name that it cannot write as a path. Here a link is listed and never followed, and every
//! name is listed in some form, so that the one who lists can say what does not belong there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A folder. It reads and writes as `object_store` does, and lists by itself.
#[derive(Debug)]
pub(super) struct FolderStore {
    inner: LocalFileSystem,
    root: PathBuf,
}

impl FolderStore {
    /// The store of a folder that is there.
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        let inner = LocalFileSystem::new_with_prefix(&root)?.with_fsync(true);
        Ok(Self { inner, root })
    }

    /// Lists a folder, and with `deep` the folders below it.
    fn listing(
        &self,
        prefix: Option<&Path>,
        deep: bool,
    ) -> impl FnOnce() -> Result<FolderListing> + use<> {
        let at = prefix.cloned().unwrap_or_default();
        let start = at
            .parts()
            .fold(self.root.clone(), |folder, part| folder.join(part.as_ref()));
        move || {
            let mut listing = FolderListing::default();
            let mut open = vec![(start, at)];
            while let Some((folder, at)) = open.pop() {
                let below = listing
                    .read(&folder, &at)
                    .map_err(|source| Error::Generic {
                        store: "folder",
                        source: format!("{} cannot be listed: {source}", folder.display()).into(),
                    })?;
                if deep {
                    open.extend(below);
                } else {
                    listing.folders.extend(below.into_iter().map(|(_, at)| at));
                }
            }
            Ok(listing)
        }
    }
}

/// What is in a folder.
#[derive(Default)]
struct FolderListing {
    files: Vec<ObjectMeta>,
    folders: BTreeSet<Path>,
}

impl FolderListing {
    /// Lists a folder, which is `at` in the lake, and returns the folders in it. One that is not
    /// there is empty.
    fn read(&mut self, folder: &std::path::Path, at: &Path) -> io::Result<Vec<(PathBuf, Path)>> {
        let mut below = Vec::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(below),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = match entry.file_type() {
                // It was deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                kind => kind?,
            };
            if kind.is_dir() {
                below.push((entry.path(), child(at, &entry.file_name(), "")));
            } else {
                self.files.extend(file(&entry, kind, at)?);
            }
        }
        Ok(below)
    }
}

/// A file as it is listed; `None` if it is one that is being written, or was deleted meanwhile.
fn file(entry: &DirEntry, kind: FileType, at: &Path) -> io::Result<Option<ObjectMeta>> {
    let name = entry.file_name();
    let what = match kind {
        kind if kind.is_file() => "",
        kind if kind.is_symlink() => " (a symbolic link)",
        _ => " (no file)",
    };
    if what.is_empty() && is_staged(&name) {
        return Ok(None);
    }
    let metadata = match entry.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    Ok(Some(ObjectMeta {
        location: child(at, &name, what),
        last_modified: metadata
            .modified()
            .map_or(DateTime::<Utc>::UNIX_EPOCH, Into::into),
        size: metadata.len(),
        e_tag: None,
        version: None,
    }))
}

/// A name in a folder, as a path in the lake. What no path can hold is escaped.
fn child(at: &Path, name: &OsStr, what: &str) -> Path {
    let name = format!("{}{what}", name.to_string_lossy());
    let part = PathPart::parse(&name).unwrap_or_else(|_| PathPart::from(&*name));
    at.clone().join(part)
}

/// Returns true for the names under which `object_store` writes before it renames: `NAME#1`.
fn is_staged(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let number = name.split_once('#').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[async_trait]
impl ObjectStore for FolderStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
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
        let listing = tokio::task::spawn_blocking(self.listing(prefix, true));
        let files = async move { Ok::<_, Error>(stream::iter(listing.await??.files).map(Ok)) };
        stream::once(files).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listing = tokio::task::spawn_blocking(self.listing(prefix, false)).await??;
        Ok(ListResult {
            common_prefixes: listing.folders.into_iter().collect(),
            objects: listing.files,
            extensions: Default::default(),
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn attack_10_every_name_is_listed_and_no_link_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let hour = folder.path().join("clicks/hour");
        fs::create_dir_all(&hour).unwrap();
        for name in [
            "plain",
            "two\nlines",
            "with 'quotes\"",
            "ünï~[x]*?",
            "50%off",
            "half#1",
            "c#x",
        ] {
            fs::write(hour.join(name), "1234").unwrap();
        }
        fs::write(hour.join(OsStr::from_bytes(b"latin-\xe9")), "1").unwrap();
        fs::create_dir(hour.join("fold\ner")).unwrap();
        fs::write(hour.join("fold\ner/inner"), "1").unwrap();
        symlink(".", hour.join("self")).unwrap();
        symlink(outside.path(), hour.join("out")).unwrap();
        symlink("/", folder.path().join("clicks/root")).unwrap();
        symlink("gone", hour.join("broken")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(hour.join("sock")).unwrap();
        let store = FolderStore::new(folder.path().canonicalize().unwrap()).unwrap();
        let clicks = Path::from("clicks");
        let listed: Vec<ObjectMeta> = store.list(Some(&clicks)).try_collect().await.unwrap();
        let mut names: Vec<&str> = listed.iter().map(|one| one.location.as_ref()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "clicks/hour/50%off",
                "clicks/hour/broken (a symbolic link)",
                "clicks/hour/c#x",
                "clicks/hour/fold%0Aer/inner",
                "clicks/hour/latin-\u{fffd}",
                "clicks/hour/out (a symbolic link)",
                "clicks/hour/plain",
                "clicks/hour/self (a symbolic link)",
                "clicks/hour/sock (no file)",
                "clicks/hour/two%0Alines",
                "clicks/hour/with 'quotes\"",
                "clicks/hour/ünï~[x]*?",
                "clicks/root (a symbolic link)",
            ]
        );
        let plain = listed
            .iter()
            .find(|one| one.location.as_ref() == "clicks/hour/plain");
        assert_eq!(plain.unwrap().size, 4);
        let below = store.list_with_delimiter(Some(&clicks)).await.unwrap();
        assert_eq!(below.common_prefixes, [Path::from("clicks/hour")]);
        let nothing = store.list_with_delimiter(Some(&Path::from("none"))).await;
        assert!(nothing.unwrap().common_prefixes.is_empty());
    }
}
