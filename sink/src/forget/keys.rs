//! The lake's own secrets: the key of the hashes by which it knows subjects, and the seed of the
//! key that signs its certificates.

use std::fmt;

use hmac::{Hmac, Mac};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::ledger::forget::SubjectHash;
use crate::object::names::LEDGER;
use crate::{Error, Lake};

/// Where they are, in the ledger's folder.
pub(crate) const KEYS: &str = "keys.json";
/// The largest file of keys that is read.
const MAX_KEYS_BYTES: u64 = 64 << 10;

/// The lake's secrets, as they are stored. They cannot be printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeKeys {
    subjects: [u8; 32],
    signing: [u8; 32],
}

impl LakeKeys {
    /// Secrets from random bytes.
    #[must_use]
    pub const fn new(subjects: [u8; 32], signing: [u8; 32]) -> Self {
        Self { subjects, signing }
    }

    /// The key of the hashes of subjects.
    #[must_use]
    pub fn subjects(&self) -> SubjectKey {
        let mac = Hmac::new_from_slice(&self.subjects).expect("HMAC takes keys of any length");
        SubjectKey(mac)
    }

    /// The seed of the signing key (ed25519).
    #[must_use]
    pub const fn signing(&self) -> &[u8; 32] {
        &self.signing
    }
}

impl fmt::Debug for LakeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeKeys").finish_non_exhaustive()
    }
}

/// The key of the hashes of subjects: who does not have it cannot try names.
#[derive(Clone)]
pub struct SubjectKey(Hmac<Sha256>);

impl SubjectKey {
    /// The hash of a `visitor_id`, a `user_id`, or any other text.
    #[must_use]
    pub fn hash(&self, text: impl AsRef<[u8]>) -> SubjectHash {
        let digest = self.0.clone().chain_update(text).finalize().into_bytes();
        let (half, _) = digest.split_at(16);
        SubjectHash(u128::from_be_bytes(std::array::from_fn(|place| {
            half[place]
        })))
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey").finish_non_exhaustive()
    }
}

impl Lake {
    /// The lake's secrets; `None` if nobody has made them yet.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they cannot be read, else the store's.
    pub async fn keys(&self) -> Result<Option<LakeKeys>, Error> {
        let path = Path::from(format!("{LEDGER}/{KEYS}"));
        let Some(bytes) = self.read_if_there(&path, MAX_KEYS_BYTES).await? else {
            return Ok(None);
        };
        let keys = serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
            path: path.to_string(),
            detail: format!("{error}; put it back from a copy"),
        })?;
        Ok(Some(keys))
    }

    /// The lake's secrets; those that are given if it has none yet. Of several that make them at
    /// once, one wins, and all have the same.
    ///
    /// # Errors
    /// As [`Lake::keys`]; [`Error::Damaged`] if they were there and are lost, since new ones know
    /// nobody who was erased.
    pub async fn make_keys(&self, new: &LakeKeys) -> Result<LakeKeys, Error> {
        let path = Path::from(format!("{LEDGER}/{KEYS}"));
        loop {
            if let Some(keys) = self.keys().await? {
                return Ok(keys);
            }
            let ledger = self.ledger().await?;
            if ledger.is_some_and(|ledger| !ledger.forgets.is_empty()) {
                return Err(Error::Damaged {
                    path: path.to_string(),
                    detail: "it is lost, and says who was erased; put it back from a copy".into(),
                });
            }
            let json = serde_json::to_vec(new).expect("keys are plain numbers");
            self.create(&path, json.into()).await?;
        }
    }
}
