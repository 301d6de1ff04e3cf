//! The keys in force.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::accept::rejection::Rejection;
use crate::http::origin::OriginList;
use crate::rate::{SourceRate, whole_seconds};
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
    /// How many requests may come with it; `None` for any number.
    pub(super) rate: Option<Arc<SourceRate>>,
    /// The wire formats that it is for; all if there are none.
    pub(super) formats: Vec<String>,
}

impl SourceKey {
    /// Returns true if clicks of a wire format may come with it.
    pub(crate) fn is_for(&self, format: &str) -> bool {
        self.formats.is_empty() || self.formats.iter().any(|known| known == format)
    }

    /// Counts a request. Refuses it if there were too many.
    pub(crate) fn take(&self) -> Result<(), Rejection> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        rate.take().map_err(|wait| Rejection::SourceThrottled {
            source_name: self.name.clone(),
            seconds: whole_seconds(wait),
        })
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

    /// Takes over the counts of the rates that `before` has under the same name.
    pub(super) fn inherit(&mut self, before: &Self) {
        for key in self.keys.iter_mut().filter_map(Arc::get_mut) {
            let same = before.keys.iter().find(|other| other.name == key.name);
            if let (Some(rate), Some(old)) = (&mut key.rate, same.and_then(|old| old.rate.as_ref()))
                && rate.is_same(old)
            {
                *rate = old.clone();
            }
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
