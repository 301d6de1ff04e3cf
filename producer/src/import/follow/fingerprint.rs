//! Tells whether a file still begins with what was read of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How much of the beginning is remembered, and how much before the position.
const HEAD_BYTES: u64 = 1_024;
const LAST_BYTES: u64 = 256;

/// The beginning of what was read of a file, and its end, as digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprint {
    head: String,
    last: String,
}

impl Fingerprint {
    /// The fingerprint of a file that was read up to `position`.
    pub(super) fn of(file: &File, position: u64) -> io::Result<Self> {
        if position == 0 {
            return Ok(Self::default());
        }
        let digest = |from: u64, to: u64| {
            let size = usize::try_from(to - from).expect("a kilobyte fits");
            let mut bytes = vec![0; size];
            file.read_exact_at(&mut bytes, from)?;
            io::Result::Ok(format!("{:x}", Sha256::digest(&bytes))[..32].to_owned())
        };
        Ok(Self {
            head: digest(0, position.min(HEAD_BYTES))?,
            last: digest(position.saturating_sub(LAST_BYTES), position)?,
        })
    }

    /// Returns true if the file still has what was read up to `position`.
    pub(super) fn matches(&self, file: &File, position: u64) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= position && Self::of(file, position)? == *self)
    }
}
