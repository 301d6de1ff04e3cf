//! A file of the owner's that is taken anew when it changes, without a stop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often a file is read. It is small; its content is compared and not its time, which a copy
/// or a mounted volume may leave as it was.
const READ_PERIOD: Duration = Duration::from_secs(2);
/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A file, and what it last held.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    /// SHA-256 of what was read last; `None` if it could not be read.
    digest: Mutex<Option<[u8; 32]>>,
}

impl WatchedFile {
    /// Reads the file for the first time. The error says why it cannot be read.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, String), String> {
        let text = read(&path)?;
        let digest = Mutex::new(Some(digest(&text)));
        Ok((Self { path, digest }, text))
    }

    /// Reads the file again; `None` if it is as it was read last.
    pub(crate) fn changed(&self) -> Option<Result<String, String>> {
        let read = read(&self.path);
        let digest = read.as_deref().ok().map(digest);
        let mut known = self.digest.lock();
        if *known == digest {
            return None;
        }
        *known = digest;
        Some(read)
    }

    /// Reads the file as it is now, whether or not it changed.
    pub(crate) fn read(&self) -> Result<String, String> {
        read(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!(
            "{shown} has {size} bytes; write at most {MAX_FILE_BYTES}"
        ));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Calls `reload` every so often until `shutdown`, where it may wait for the disk.
pub(crate) async fn watch(reload: impl Fn() + Clone + Send + 'static, shutdown: CancellationToken) {
    let mut ticks = interval(READ_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if tokio::task::spawn_blocking(reload.clone()).await.is_err() {
            return;
        }
    }
}
