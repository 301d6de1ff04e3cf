//! The key by which an owner's mapping hashes properties: equal values stay equal, and nobody without the
//! key can try which value a hash is of.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How many bytes of a hash are kept: half of SHA-256's.
const HASH_BYTES: usize = 16;

/// A key of hashes.
pub(crate) struct FieldKey(Hmac<Sha256>);

impl FieldKey {
    /// The key of a text; `None` if that is empty.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mac = Hmac::new_from_slice(text.as_bytes()).expect("HMAC takes keys of any length");
        (!text.is_empty()).then_some(Self(mac))
    }

    /// The HMAC-SHA-256 of a text (RFC 2104), its first half in digits: `hmac:` and 32 of them.
    pub(crate) fn hash(&self, text: &str) -> String {
        let digest = self.0.clone().chain_update(text).finalize().into_bytes();
        let digits = digest
            .iter()
            .take(HASH_BYTES)
            .map(|byte| format!("{byte:02x}"));
        format!("hmac:{}", digits.collect::<String>())
    }

    /// What tells one key from another, and says nothing of either.
    pub(crate) fn fingerprint(&self) -> String {
        let hash = self.hash("clickweir enrich.hash_key");
        hash["hmac:".len()..][..8].to_owned()
    }
}

impl fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_standard_and_a_key_its_own() {
        // RFC 4231, test case 2.
        let key = FieldKey::of("Jefe").unwrap();
        let hash = key.hash("what do ya want for nothing?");
        assert_eq!(hash, "hmac:5bdcc146bf60754e6a042426089575c7");
        assert_ne!(
            key.fingerprint(),
            FieldKey::of("Jeff").unwrap().fingerprint()
        );
        assert!(FieldKey::of("").is_none());
        assert!(!format!("{key:?}").contains("Jefe"));
    }
}
