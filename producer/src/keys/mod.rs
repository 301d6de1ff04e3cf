//! The keys of the sources that may send clicks, from a file that is taken anew when it changes.
//!
//! `file.rs` reads it, `ring.rs` holds the keys in force. Without `producer.keys` the edge is open.

mod file;
mod ring;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

pub(crate) use ring::{KeyRing, SourceKey};

/// How often the file is read. It is small; its content is compared and not its time, which a copy
/// or a mounted volume may leave as it was.
const READ_PERIOD: Duration = Duration::from_secs(2);
/// How many letters and digits a new key has: 190 bits.
const KEY_CHARS: usize = 32;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("producer.keys: {0}")]
pub struct KeyError(String);

/// The file of keys, and what it last held.
#[derive(Debug)]
pub struct KeyStore {
    path: PathBuf,
    /// SHA-256 of what it last held; of nothing if it could not be read.
    digest: Mutex<[u8; 32]>,
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
        let path = PathBuf::from(path);
        let (text, ring) = file::read(&path).map_err(KeyError)?;
        tracing::info!(file = %path.display(), sources = ring.len(), "clicks need a key");
        Ok(Some(Arc::new(Self {
            path,
            digest: Mutex::new(digest(&text)),
            ring: RwLock::new(Arc::new(ring)),
        })))
    }

    /// The keys in force.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.read().clone()
    }

    /// Takes changed keys until `shutdown`.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        let mut ticks = interval(READ_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let store = self.clone();
            if tokio::task::spawn_blocking(move || store.reload())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// Reads the file if it changed. One that is broken changes nothing, and the log says so once.
    fn reload(&self) {
        let mut known = self.digest.lock();
        let read = digest(&std::fs::read_to_string(&self.path).unwrap_or_default());
        if read == *known {
            return;
        }
        *known = read;
        match file::read(&self.path) {
            Ok((_, ring)) => {
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

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
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
        assert!(!format!("{store:?}").contains(&second_hash[10..20]));
    }
}
