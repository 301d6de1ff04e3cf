//! What a backup says of itself, and its list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition, Timestamp};

use crate::{Error, LakeId};

/// The version of a backup's form.
pub(super) const BACKUP_FORMAT: u32 = 1;

/// A backup: a lake as it was when its ledger had so many entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The version of this form.
    pub format: u32,
    /// Its number: the first is 1.
    pub number: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The version of clickweir that made it.
    pub version: String,
    /// The lake.
    pub lake: LakeId,
    /// Its topic.
    pub topic: Identity,
    /// How many entries each ledger had, by the lake's folder: nothing for the live lake, and those
    /// of the replays.
    pub ledgers: BTreeMap<String, u64>,
    /// Where the live lake ends.
    pub ends: BTreeMap<Partition, Offset>,
    /// The live lake's rows.
    pub rows: u64,
    /// How many objects it has.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The SHA-256 of the list of its objects, which is an object of that name.
    pub list: String,
    /// What it lacks, in sentences. Empty if it is whole.
    pub lacks: Vec<String>,
    /// The configuration of the process that made it, as TOML and without secrets.
    pub configuration: String,
}

/// What a backup of any format says.
#[derive(Deserialize)]
struct BackupFormat {
    format: u32,
}

impl Backup {
    /// Reads a backup's object.
    pub(super) fn parse(path: &str, json: &[u8]) -> Result<Self, Error> {
        let unfit = |why: &dyn std::fmt::Display| Error::Unfit(format!("{path}: {why}"));
        if let Ok(BackupFormat { format }) = serde_json::from_slice(json)
            && format > BACKUP_FORMAT
        {
            let why = format!(
                "it is a backup of format {format}, and this program reads format \
                 {BACKUP_FORMAT}: use a newer clickweir"
            );
            return Err(unfit(&why));
        }
        serde_json::from_slice(json).map_err(|error| {
            unfit(&format!(
                "it is no backup of clickweir: {error}; move it out of there"
            ))
        })
    }
}

/// An object of the lake in a backup's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupObject {
    /// Its path in the live lake.
    pub(super) path: String,
    /// Its size.
    pub(super) bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub(super) hash: String,
    /// When the lake's store wrote it, in microseconds: one that was written since is another.
    pub(super) written: i64,
    /// How many rows a commit has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) rows: u64,
    /// Where the range of a commit ends; `None` for other objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<Offset>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
