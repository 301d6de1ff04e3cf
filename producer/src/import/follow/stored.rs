//! How far a log is followed, in a small JSON file of its own.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::error::Error;
use super::super::id::LineIds;
use super::fingerprint::Fingerprint;

/// What is stored of a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredLog {
    /// Its path, for a person.
    file: String,
    /// What makes the ids of this log's lines other than those of any other log.
    nonce: String,
    /// The number of the next generation.
    pub(super) next: u64,
    /// When this was stored, in microseconds of UTC: later lines were sent after it.
    pub(super) at: i64,
    /// True if lines after the positions may have been sent since then.
    pub(super) is_sending: bool,
    pub(super) generations: Vec<StoredGeneration>,
}

/// How far one generation is acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredGeneration {
    pub(super) number: u64,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// All bytes before this one are acknowledged.
    pub(super) position: u64,
    pub(super) fingerprint: Fingerprint,
    /// How far it was read when this was stored, and its fingerprint there: what is sent beyond
    /// the position belongs to a file with this content.
    pub(super) read: u64,
    pub(super) read_fingerprint: Fingerprint,
}

impl StoredGeneration {
    /// Returns true if the file has the content of this generation.
    pub(super) fn is_in(&self, file: &File) -> io::Result<bool> {
        Ok(self.fingerprint.matches(file, self.position)?
            && self.read_fingerprint.matches(file, self.read)?)
    }
}

impl StoredLog {
    /// The ids of a generation's lines.
    pub(super) fn ids(&self, number: u64) -> LineIds {
        let digest = Sha256::digest(format!("{} {number}", self.nonce));
        LineIds::new(&digest.into())
    }
}

/// The file that keeps what is stored. No other process follows the log while this one has it.
pub(super) struct PositionFile {
    path: PathBuf,
    _lock: File,
}

impl PositionFile {
    /// Opens the file of a log, and reads what an earlier process stored; `None` if there was none.
    pub(super) fn open(folder: &Path, log: &Path) -> Result<(Self, Option<StoredLog>), Error> {
        let name = format!("{:x}", Sha256::digest(log.as_os_str().as_encoded_bytes()));
        let path = folder.join(format!("follow-{}.json", &name[..16]));
        let failed = |error| state_error(&path, error);
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(path.with_extension("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Followed(log.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let stored = match fs::read(&path) {
            Ok(bytes) => {
                let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
                Some(serde_json::from_slice(&bytes).map_err(|error| failed(invalid(error)))?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        Ok((Self { path, _lock: lock }, stored))
    }

    /// What is stored of a log that nobody followed before.
    pub(super) fn begin(log: &Path) -> StoredLog {
        StoredLog {
            file: log.display().to_string(),
            nonce: format!("{:032x}", rand::random::<u128>()),
            next: 0,
            at: 0,
            is_sending: false,
            generations: Vec::new(),
        }
    }

    /// Writes it to a temporary file and renames that to its place.
    pub(super) fn store(&self, stored: &StoredLog) -> Result<(), Error> {
        let write = || {
            let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, stored)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error| state_error(&self.path, error))
    }
}

fn state_error(path: &Path, error: io::Error) -> Error {
    Error::State {
        path: path.display().to_string(),
        error,
    }
}
