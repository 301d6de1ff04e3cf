//! How a process becomes the owner of the files: it writes `owner.json`.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::owner::{OwnerClient, OwnerFile};
use crate::settings::Settings;

/// The owner's file. It is removed when this value is dropped, unless it is another's by then.
pub(crate) struct Ownership {
    file: PathBuf,
    token: String,
}

impl Ownership {
    /// Checks that no living process owns the files.
    ///
    /// # Errors
    /// Fails with the owner's process id if there is one.
    pub(crate) async fn check(settings: &Settings, address: SocketAddr) -> anyhow::Result<()> {
        let file = OwnerFile::path(settings);
        // What listens at our own address is this process: the file is a killed one's.
        let other = OwnerFile::read(&file).filter(|owner| owner.address != address);
        let Some(other) = other else { return Ok(()) };
        let pid = other.pid;
        // One that does not answer may go on later, so it is alive.
        let alive = OwnerClient::connect(&file, other).await;
        if alive.is_ok_and(|owner| owner.is_none()) {
            return Ok(());
        }
        bail!(
            "process {pid} owns the files in {} ({}): end it first, or set catalog.path to a file \
             in a folder of its own",
            settings.folder().display(),
            file.display()
        );
    }

    /// Writes the file, readable by this user only.
    ///
    /// # Errors
    /// As [`Ownership::check`], and when the file cannot be written.
    pub(crate) async fn claim(
        settings: &Settings,
        address: SocketAddr,
        token: &str,
    ) -> anyhow::Result<Self> {
        Self::check(settings, address).await?;
        let owner = OwnerFile {
            pid: std::process::id(),
            address,
            token: token.to_owned(),
        };
        let file = OwnerFile::path(settings);
        let fresh = file.with_extension("json.new");
        // A file that a killed process left keeps its own permissions; a new one has ours.
        let _ = fs::remove_file(&fresh);
        let written = || {
            let mut out = fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(0o600)
                .open(&fresh)?;
            out.write_all(&serde_json::to_vec(&owner)?)?;
            fs::rename(&fresh, &file)
        };
        written().with_context(|| format!("{} cannot be written", file.display()))?;
        let token = owner.token;
        Ok(Self { file, token })
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        let ours = OwnerFile::read(&self.file).is_some_and(|owner| owner.token == self.token);
        if ours {
            let _ = fs::remove_file(&self.file);
        }
    }
}
