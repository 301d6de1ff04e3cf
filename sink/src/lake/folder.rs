//! A folder as a store: what others put into it stops no listing, and no read waits for it.
//!
//! `object_store` follows symbolic links, out of the lake and in circles, and ends a listing at the
//! first name that it cannot write as a path. Here a link is listed and never followed, and every
//! name is listed in some form, so that the one who lists can say what does not belong there. What
//! is neither a file nor a folder is not opened: a named pipe would never answer.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
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

/// How a folder that cannot be read is listed, in its own place.
const CLOSED_FOLDER: &str = "(a folder that cannot be read)";

/// What has an object's place, or the place of a folder above it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path} is {what}, where the lake has {place} of its own: move it out of the lake's folder, and clickweir goes on by itself"
)]
pub struct Obstacle {
    /// Where it is.
    path: String,
    /// What it is, with an article.
    what: &'static str,
    /// What the lake has there, with an article.
    place: &'static str,
}

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

    /// Fails if something has the place of an object, or of a folder above it. The lake's own first
    /// folders may be links: an operator puts them on other disks so.
    async fn clear(&self, location: &Path) -> Result<()> {
        let (root, location) = (self.root.clone(), location.clone());
        let met = tokio::task::spawn_blocking(move || obstacle(root, &location)).await?;
        met.map_or(Ok(()), |obstacle| {
            Err(Error::Generic {
                store: "folder",
                source: Box::new(obstacle),
            })
        })
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
                let below = match listing.read(&folder, &at) {
                    Ok(below) => below,
                    Err(source) if is_the_lakes(&at) => {
                        let why = format!("{} cannot be listed: {source}", folder.display());
                        let source = why.into();
                        let store = "folder";
                        return Err(Error::Generic { store, source });
                    }
                    Err(_) => {
                        listing.closed(&at);
                        continue;
                    }
                };
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

impl FolderListing {
    /// Lists a folder of somebody else's that cannot be read, as if it were a file.
    fn closed(&mut self, at: &Path) {
        self.files.push(ObjectMeta {
            location: at.clone().join(PathPart::from(CLOSED_FOLDER)),
            last_modified: DateTime::<Utc>::UNIX_EPOCH,
            size: 0,
            e_tag: None,
            version: None,
        });
    }
}

/// Returns true for the folders that the lake makes: without one of them a listing would lack
/// objects.
fn is_the_lakes(at: &Path) -> bool {
    at.filename().is_none_or(|name| match name.split_once('=') {
        Some((key, value)) => {
            ["year", "month", "day", "hour"].contains(&key)
                && value.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => at.parts().count() == 1,
    })
}

/// The first thing on the way to a path that is no folder, or at its end what is no file.
fn obstacle(root: PathBuf, location: &Path) -> Option<Obstacle> {
    let mut path = root;
    let last = location.parts().count().checked_sub(1)?;
    for (depth, part) in location.parts().enumerate() {
        path.push(part.as_ref());
        let is_mount = depth == 0 && last > 0;
        let found = match is_mount {
            true => fs::metadata(&path),
            false => fs::symlink_metadata(&path),
        };
        // What is not there is no obstacle; what cannot be looked at fails where it is used.
        let kind = found.ok()?.file_type();
        let (fits, place) = match depth == last {
            true => (kind.is_file(), "an object"),
            false => (kind.is_dir(), "a folder"),
        };
        if !fits {
            let path = path.display().to_string();
            let what = name_of(kind);
            return Some(Obstacle { path, what, place });
        }
    }
    None
}

fn name_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a file"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
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
pub(super) fn is_staged(name: &OsStr) -> bool {
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
        self.clear(location).await?;
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
        self.clear(location).await?;
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
    use std::time::Duration;

    use topic::{Identity, Offset, Partition, Timestamp};

    use super::*;
    use crate::{Batch, Hour, Lake, ObjectName, Outcome, S3};

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

    /// Commits a batch of one duplicate, of `first`.
    async fn commit(lake: &Lake, first: u64) -> Result<Outcome, crate::Error> {
        let mut batch = Batch::new(
            Identity {
                cluster: "c".into(),
                topic: "t".into(),
            },
            "conf".into(),
            Partition(0),
            Offset(first),
            Hour(0),
            false,
        );
        batch.duplicate(Offset(first), Timestamp::from_micros(1), false);
        let commit = lake.commit(batch.seal(), 1, Duration::from_secs(3_600));
        let waited = tokio::time::timeout(Duration::from_secs(20), commit).await;
        waited.expect("no commit waits for what is in its way")
    }

    fn lake(folder: &std::path::Path) -> Lake {
        Lake::open(&S3::in_folder(folder)).unwrap()
    }

    #[tokio::test]
    async fn attack_10_what_is_in_an_objects_way_is_named_and_nothing_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake(folder.path());
        commit(&lake, 0).await.unwrap();
        let hour = folder.path().join(format!("clicks/{}", Hour(0)));
        let next = hour.join("00000-00000000000000000001.parquet");
        let name = ObjectName::parse(&format!("clicks/{}/00000-{:020}.parquet", Hour(0), 1));
        let name = name.unwrap();
        let whole = hour.join("00000-00000000000000000000.parquet");
        let check = async |what: &str| {
            let expect = format!(
                "{} is {what}, where the lake has an object of its own: move it out of the lake's \
                 folder, and clickweir goes on by itself",
                next.display()
            );
            for error in [
                commit(&lake, 1).await.unwrap_err(),
                lake.footer(&name).await.unwrap_err(),
                lake.intact(&name.to_string()).await.unwrap_err(),
            ] {
                assert!(
                    matches!(error, crate::Error::InTheWay(_)),
                    "{what}: {error}"
                );
                assert_eq!(error.to_string(), expect);
            }
        };
        let pipe = std::process::Command::new("mkfifo").arg(&next).status();
        assert!(pipe.unwrap().success());
        check("a named pipe").await;
        fs::remove_file(&next).unwrap();
        fs::create_dir(&next).unwrap();
        check("a folder").await;
        fs::remove_dir(&next).unwrap();
        for to in [&whole, &hour.join("gone"), &next] {
            symlink(to, &next).unwrap();
            check("a symbolic link").await;
            fs::remove_file(&next).unwrap();
        }
        let socket = std::os::unix::net::UnixListener::bind(&next).unwrap();
        check("a socket").await;
        drop(socket);
        fs::remove_file(&next).unwrap();
        commit(&lake, 1).await.unwrap();
    }

    #[tokio::test]
    async fn attack_10_no_commit_goes_where_no_listing_looks() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (clicks, year) = (folder.path().join("clicks"), "year=1970");
        // The lake's own first folders may be on another disk.
        symlink(elsewhere.path(), &clicks).unwrap();
        let lake = lake(folder.path());
        commit(&lake, 0).await.unwrap();
        assert_eq!(lake.hours().await.unwrap().len(), 1);
        fs::rename(clicks.join(year), elsewhere.path().join("moved")).unwrap();
        symlink("moved", clicks.join(year)).unwrap();
        assert_eq!(lake.hours().await.unwrap().len(), 0);
        let said = commit(&lake, 1).await.unwrap_err().to_string();
        assert!(said.contains("year=1970 is a symbolic link"), "{said}");
        assert!(said.contains("has a folder of its own"), "{said}");
        fs::remove_file(clicks.join(year)).unwrap();
        fs::write(clicks.join(year), "a file").unwrap();
        let said = commit(&lake, 1).await.unwrap_err().to_string();
        assert!(said.contains("year=1970 is a file"), "{said}");
    }

    #[test]
    fn a_folder_that_cannot_be_read_ends_a_listing_only_if_it_may_hold_objects() {
        let check = |path: &str, expect: bool| {
            assert_eq!(is_the_lakes(&Path::from(path)), expect, "{path}");
        };
        check("", true);
        check("clicks", true);
        check("clicks/year=2026/month=11", true);
        check("clicks/backup", false);
        check("clicks/year=2026/month=11/day=26/hour=10/lost+found", false);
        check("clicks/key=5", false);
    }
}
