//! The keys of the sources that may send clicks, from a file that is taken anew when it changes.
//!
//! `file.rs` reads it, `ring.rs` holds the keys in force. Without `producer.keys` the edge is open.

mod file;
pub(crate) mod parameters;
mod ring;

use std::sync::Arc;

use parking_lot::RwLock;
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::watched::WatchedFile;

#[cfg(test)]
pub(crate) use file::FORMATS;
pub(crate) use ring::{KeyRing, SourceKey};

/// How many letters and digits a new key has: 190 bits.
const KEY_CHARS: usize = 32;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("producer.keys: {0}")]
pub struct KeyError(String);

/// The file of keys, and those in force.
#[derive(Debug)]
pub struct KeyStore {
    file: WatchedFile,
    ring: RwLock<Arc<KeyRing>>,
}

impl KeyStore {
    /// Reads the keys of `producer.keys`; `None` if that is empty, so that anybody may send.
    ///
    /// # Errors
    /// If the file cannot be read or is not one of keys. The sentence says where.
    pub fn open(config: &Config) -> Result<Option<Arc<Self>>, KeyError> {
        let path = config.keys.trim();
        if path.is_empty() {
            return Ok(None);
        }
        let (file, text) = WatchedFile::open(path.into()).map_err(KeyError)?;
        let ring = file::read(file.path(), &text).map_err(KeyError)?;
        tracing::info!(file = %file.path().display(), sources = ring.len(), "clicks need a key");
        Ok(Some(Arc::new(Self {
            file,
            ring: RwLock::new(Arc::new(ring)),
        })))
    }

    /// The keys in force.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.read().clone()
    }

    /// Reads the file if it changed. One that is broken changes nothing, and the log says so once.
    pub(crate) fn reload(&self) {
        let Some(read) = self.file.changed() else {
            return;
        };
        match read.and_then(|text| file::read(self.file.path(), &text)) {
            Ok(mut ring) => {
                ring.inherit(&self.ring());
                tracing::info!(sources = ring.len(), "the keys changed");
                *self.ring.write() = Arc::new(ring);
            }
            Err(why) => {
                tracing::error!(
                    "the changed keys are not taken, the older ones stay in force: {why}"
                );
            }
        }
    }
}

/// Makes a new key at random. Returns it with its hash as a file of keys has it.
#[must_use]
pub fn generate_key() -> (String, String) {
    let key = Alphanumeric.sample_string(&mut rand::rng(), KEY_CHARS);
    let hash = format!("sha256:{:x}", Sha256::digest(key.as_bytes()));
    (key, hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_changed_file_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let (first, first_hash) = generate_key();
        let (second, second_hash) = generate_key();
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(&format!(
            "[[key]]\nname = \"a\"\nhashes = [\"{first_hash}\"]"
        ));
        let config = Config {
            keys: path.to_string_lossy().into_owned(),
            ..testing::config()
        };
        let store = KeyStore::open(&config).unwrap().unwrap();
        let source = |key: &str| store.ring().find(key).map(|source| source.name.clone());
        assert_eq!(source(&first).as_deref(), Some("a"));
        assert_eq!(source(&second), None);
        assert_eq!(source(""), None);
        write(&format!(
            "[[key]]\nname = \"a\"\nhashes = [\"{first_hash}\", \"{second_hash}\"]"
        ));
        store.reload();
        assert_eq!(source(&first).as_deref(), Some("a"));
        assert_eq!(source(&second).as_deref(), Some("a"));
        write("[[key");
        store.reload();
        assert_eq!(source(&second).as_deref(), Some("a"));
        std::fs::remove_file(&path).unwrap();
        store.reload();
        assert_eq!(source(&second).as_deref(), Some("a"));
        write(&format!(
            "[[key]]\nname = \"b\"\nhashes = [\"{second_hash}\"]"
        ));
        store.reload();
        assert_eq!(source(&first), None, "it was revoked");
        assert_eq!(source(&second).as_deref(), Some("b"));
        let limited = format!(
            "[[key]]\nname = \"b\"\nhashes = [\"{second_hash}\"]\n\
             rate = {{ requests = 1, per = \"1h\" }}\n"
        );
        let may_send = || store.ring().find(&second).unwrap().take().is_ok();
        write(&limited);
        store.reload();
        assert_eq!((may_send(), may_send()), (true, false));
        write(&format!("{limited}formats = [\"native\"]"));
        store.reload();
        assert!(!may_send(), "the rate is the same, so its count is");
        write(&limited.replace("= 1,", "= 2,"));
        store.reload();
        assert!(may_send());
        assert!(!format!("{store:?}").contains(&second_hash[10..20]));
    }
}
