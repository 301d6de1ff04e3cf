//! The place of backups: contents under their hashes, and a numbered object for each backup.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use bytes::Bytes;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use topic::Timestamp;

use super::manifest::{Backup, BackupObject};
use crate::{Error, Lake, LakeId, Location, S3};

/// The folder of the contents.
pub(super) const CONTENTS: &str = "objects";
/// The folder of the backups.
const BACKUPS: &str = "backups";
/// The largest object of a backup, and the largest list, that is read.
const MAX_BACKUP_BYTES: u64 = 16 << 20;
const MAX_LIST_BYTES: u64 = 2 << 30;

/// A folder or a prefix of a bucket that holds backups of one lake.
#[derive(Debug, Clone)]
pub struct BackupStore {
    place: Lake,
}

/// A content, as the place lists it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredContent {
    pub(super) bytes: u64,
    pub(super) written: Timestamp,
}

/// Where the content of this hash is.
pub(super) fn content_path(hash: &str) -> Path {
    let folder = hash.get(..2).unwrap_or(hash);
    Path::from(format!("{CONTENTS}/{folder}/{hash}"))
}

fn backup_path(number: u64) -> Path {
    Path::from(format!("{BACKUPS}/{number:010}.json"))
}

impl BackupStore {
    /// Opens the place, and makes the folder if there is none. It must be apart from the lake.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a URL of another kind, or a folder that cannot be made;
    /// [`Error::Refused`] if it is the lake, or within it, or around it.
    pub fn make(config: &S3, lake: &S3) -> Result<Self, Error> {
        let place = Lake::open_in(config, "backup")?;
        let is_same_server = config.endpoint == lake.endpoint;
        let lake = Lake::open(lake)?;
        if is_same_server && place.location().meets(lake.location()) {
            return Err(Error::Refused(format!(
                "the backup at {} and the lake at {} are one place, or one is within the other: \
                 name a place of its own",
                place.location(),
                lake.location()
            )));
        }
        Ok(Self { place })
    }

    /// Opens the place, whose folder must be there.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not there, else as [`BackupStore::make`].
    pub fn open(config: &S3, lake: &S3) -> Result<Self, Error> {
        let folder = config.url.strip_prefix("file:");
        match folder.filter(|folder| !FilePath::new(folder).is_dir()) {
            Some(folder) => Err(Error::Refused(format!("there is no backup in {folder}"))),
            None => Self::make(config, lake),
        }
    }

    /// The place that was opened so.
    pub(super) const fn at(place: Lake) -> Self {
        Self { place }
    }

    /// Where it is.
    #[must_use]
    pub const fn location(&self) -> &Location {
        self.place.location()
    }

    pub(super) const fn place(&self) -> &Lake {
        &self.place
    }

    /// The error of this place, told apart from the lake's.
    pub(super) fn failed(&self, error: Error) -> Error {
        let why = match error {
            Error::Unavailable(why) if why.contains("No space left") => {
                format!("is full: {why}; make room, and the same command goes on")
            }
            Error::Unavailable(why) => format!("does not answer: {why}"),
            Error::Denied(why) => {
                format!("refuses: {why}; correct the credentials or make the bucket")
            }
            Error::Damaged { path, detail } => format!("is damaged: {path}: {detail}"),
            other => format!("cannot be used: {other}"),
        };
        Error::Unfit(format!("the backup at {} {why}", self.location()))
    }

    /// All backups, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Unfit`] for one of a newer version, and if the place does not answer.
    pub async fn backups(&self) -> Result<Vec<Backup>, Error> {
        let place = &self.place;
        let listed = place.listed(BACKUPS).await;
        let listed = listed.map_err(|error| self.failed(error))?;
        let mut backups = Vec::new();
        for meta in listed {
            let path = meta.location;
            let read = place.read_if_there(&path, MAX_BACKUP_BYTES).await;
            if let Some(json) = read.map_err(|error| self.failed(error))? {
                backups.push(Backup::parse(
                    &self.location().absolute(path.as_ref()),
                    &json,
                )?);
            }
        }
        backups.sort_by_key(|backup| backup.number);
        Ok(backups)
    }

    /// All contents, by hash.
    pub(super) async fn contents(&self) -> Result<BTreeMap<String, StoredContent>, Error> {
        let listed = self.place.listed(CONTENTS).await;
        let listed = listed.map_err(|error| self.failed(error))?;
        let named = listed.into_iter().filter_map(|meta| {
            let hash = meta.location.filename()?.to_owned();
            let content = StoredContent {
                bytes: meta.size,
                written: Timestamp::from_micros(meta.last_modified.timestamp_micros()),
            };
            (content_path(&hash) == meta.location).then_some((hash, content))
        });
        Ok(named.collect())
    }

    /// The list of a backup.
    pub(super) async fn list(&self, backup: &Backup) -> Result<Vec<BackupObject>, Error> {
        let path = content_path(&backup.list);
        let read = self.place.read_if_there(&path, MAX_LIST_BYTES).await;
        let json = read.map_err(|error| self.failed(error))?;
        let fits = |json: &Bytes| format!("{:x}", Sha256::digest(json)) == backup.list;
        let list = json.filter(fits);
        let list = list.and_then(|json| serde_json::from_slice(&json).ok());
        list.ok_or_else(|| {
            Error::Unfit(format!(
                "the list of backup {} at {} is damaged or missing: take another backup, with \
                 --backup",
                backup.number,
                self.location()
            ))
        })
    }

    /// Stores a list. Returns its hash.
    pub(super) async fn put_list(&self, list: &[BackupObject]) -> Result<String, Error> {
        let json = serde_json::to_vec(list).expect("a list is plain text and numbers");
        let hash = format!("{:x}", Sha256::digest(&json));
        // What is there already is the same.
        let created = self.place.create(&content_path(&hash), json.into()).await;
        created.map_err(|error| self.failed(error))?;
        Ok(hash)
    }

    /// Creates a backup's object under its number, or the next one that is free.
    pub(super) async fn create(&self, mut backup: Backup) -> Result<Backup, Error> {
        loop {
            let json = serde_json::to_vec_pretty(&backup).expect("it is plain text and numbers");
            let path = backup_path(backup.number);
            let created = self.place.create(&path, json.into()).await;
            match created.map_err(|error| self.failed(error))? {
                true => return Ok(backup),
                false => backup.number += 1,
            }
        }
    }

    /// Deletes a backup's object. What it alone named is left.
    pub(super) async fn withdraw(&self, backup: &Backup) -> Result<(), Error> {
        let deleted = self.place.sweep(backup_path(backup.number).as_ref()).await;
        deleted.map_err(|error| self.failed(error))
    }

    /// Deletes a content.
    pub(super) async fn drop_content(&self, hash: &str) -> Result<(), Error> {
        let deleted = self.place.sweep(content_path(hash).as_ref()).await;
        deleted.map_err(|error| self.failed(error))
    }

    /// Refuses a place that holds something else than backups of that lake.
    pub(super) fn check(&self, backups: &[Backup], lake: LakeId) -> Result<(), Error> {
        match backups.iter().find(|backup| backup.lake != lake) {
            Some(other) => Err(Error::Refused(format!(
                "{} holds backups of another lake ({}, this is {lake}): give each lake a place of \
                 its own",
                self.location(),
                other.lake
            ))),
            None => Ok(()),
        }
    }
}

impl Location {
    /// Returns true if both are one place, or one is within the other.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let within = |outer: &str, inner: &str| {
            let rest = inner.strip_prefix(outer);
            outer.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => {
                one.starts_with(other) || other.starts_with(one)
            }
            (
                Self::Bucket { bucket, prefix },
                Self::Bucket {
                    bucket: other,
                    prefix: theirs,
                },
            ) => bucket == other && (within(prefix, theirs) || within(theirs, prefix)),
            _ => false,
        }
    }
}
