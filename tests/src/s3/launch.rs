//! What it takes to run an S3 server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The access key of the servers started here, and its secret.
pub(super) const KEYS: (&str, &str) = ("clickweir", "under-the-weir");

/// How to run a server.
pub(super) struct Launch {
    pub(super) command: Command,
    /// Its S3 port.
    pub(super) port: u16,
    /// The path that answers 200 once the server is ready.
    pub(super) ready: &'static str,
    /// Files that the server makes outside its folder.
    pub(super) litter: Vec<String>,
}

/// The path of a program below `vendor`.
///
/// # Errors
/// If it is missing.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vendor");
    let path = vendor.join(name).canonicalize();
    path.with_context(|| format!("vendor/{name} is missing; `make test-setup` brings it"))
}
