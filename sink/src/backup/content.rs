//! What kinds of objects a backup has, and how each is proved before it is kept.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::manifest::BackupObject;
use crate::object::names::named_digits;
use crate::object::read::footer_of;
use crate::{Error, ObjectName};

/// An object of the lake that a backup must have.
#[derive(Debug, Clone)]
pub(super) struct CountedObject {
    /// The folder of its lake in the live one: empty, or that of a replay and a slash.
    pub(super) folder: String,
    /// Its path in its own lake.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// When the store wrote it, in microseconds.
    pub(super) written: i64,
    pub(super) kind: ContentKind,
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ContentKind {
    /// Rows of a batch.
    Commit(ObjectName),
    /// Dead letters of a batch, named by the first digits of their hash.
    Letters,
    /// What a swap has written, named by its hash.
    Swapped(String),
    /// A file of the ledger.
    Ledger,
}

impl CountedObject {
    /// Its path in the live lake.
    pub(super) fn full(&self) -> String {
        format!("{}{}", self.folder, self.path)
    }

    /// Its entry in a backup's list.
    pub(super) fn listed(&self, hash: String) -> BackupObject {
        BackupObject {
            path: self.full(),
            bytes: self.bytes,
            hash,
            written: self.written,
            rows: 0,
            end: None,
        }
    }

    /// Its entry, if these are the bytes that were written.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    pub(super) fn proved(&self, object: &Bytes) -> Result<BackupObject, String> {
        if object.len() as u64 != self.bytes {
            return Err("it changed while it was read".to_owned());
        }
        let hash = format!("{:x}", Sha256::digest(object));
        let mut listed = self.listed(hash);
        match &self.kind {
            ContentKind::Commit(name) => {
                let footer = footer_of(name, object).map_err(|error| match error {
                    Error::Damaged { detail, .. } => detail,
                    other => other.to_string(),
                })?;
                listed.rows = footer.counts.rows;
                listed.end = Some(footer.end);
            }
            ContentKind::Letters | ContentKind::Swapped(_) => {
                let named = named_digits(&self.path);
                if !named.is_some_and(|digits| listed.hash.starts_with(digits)) {
                    return Err("its hash does not fit its name".to_owned());
                }
            }
            ContentKind::Ledger => {
                let json = serde_json::from_slice::<serde::de::IgnoredAny>(object);
                json.map_err(|error| format!("it cannot be read: {error}"))?;
            }
        }
        Ok(listed)
    }
}
