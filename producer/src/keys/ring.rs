//! The keys in force.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::http::origin::OriginList;
use crate::sample::ClickShare;

/// The key of one source of clicks.
pub(crate) struct SourceKey {
    /// What the clicks' `source` says.
    pub(crate) name: String,
    /// SHA-256 of each key that may be used. Keys are long and random, so a plain hash hides them.
    pub(super) hashes: Vec<[u8; 32]>,
    /// Key pairs of AWS's signatures, which need the secret itself.
    pub(super) aws: Vec<AwsKey>,
    /// The pages that may use it; those of `producer.origins` if there are none.
    pub(crate) origins: OriginList,
    /// The share of its clicks that is kept; `None` if all are.
    pub(crate) share: Option<ClickShare>,
    /// The wire formats that it is for; all if there are none.
    pub(super) formats: Vec<String>,
}

impl SourceKey {
    /// Returns true if clicks of a wire format may come with it.
    pub(crate) fn is_for(&self, format: &str) -> bool {
        self.formats.is_empty() || self.formats.iter().any(|known| known == format)
    }
}

/// A key pair as AWS's clients have it.
pub(super) struct AwsKey {
    pub(super) id: String,
    pub(super) secret: String,
}

/// All keys of a file.
pub(crate) struct KeyRing {
    keys: Vec<Arc<SourceKey>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.keys.iter().map(|key| &key.name);
        f.debug_list().entries(names).finish()
    }
}

impl KeyRing {
    pub(super) fn new(keys: Vec<SourceKey>) -> Self {
        Self {
            keys: keys.into_iter().map(Arc::new).collect(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The pages that may use one of them, key by key.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &OriginList> {
        self.keys.iter().map(|key| &key.origins)
    }

    /// Returns the source of a key that a client sent; `None` if it is none. It takes as long
    /// whichever key it is.
    pub(crate) fn find(&self, sent: &str) -> Option<Arc<SourceKey>> {
        let digest: [u8; 32] = Sha256::digest(sent.as_bytes()).into();
        let mut found = None;
        for key in &self.keys {
            let is_one = key
                .hashes
                .iter()
                .fold(Choice::from(0), |any, hash| any | hash.ct_eq(&digest));
            if bool::from(is_one) {
                found = Some(key);
            }
        }
        found.cloned()
    }

    /// Returns the source and the secret of an AWS key's id; `None` if there is none.
    pub(crate) fn find_aws(&self, id: &str) -> Option<(Arc<SourceKey>, &str)> {
        self.keys.iter().find_map(|key| {
            let pair = key.aws.iter().find(|pair| pair.id == id)?;
            Some((key.clone(), &*pair.secret))
        })
    }
}
