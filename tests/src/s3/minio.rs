//! MinIO: one process, one folder.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::launch::{KEYS, Launch, program};
use crate::ports::free_port;

const PROGRAM: &str = "minio/minio";
/// The name of its key for encryption, and 32 bytes in base64.
pub const KMS_KEY: &str = "weir";
const KMS_SECRET: &str = "weir:d2VpcndlaXJ3ZWlyd2VpcndlaXJ3ZWlyd2VpcndlaXI=";

pub(super) fn launch(folder: &Path) -> Result<Launch> {
    let port = free_port()?;
    let mut command = Command::new(program(PROGRAM)?);
    command
        .current_dir(folder)
        .args(["server", "data", "--quiet", "--config-dir=config"])
        .arg(format!("--address=127.0.0.1:{port}"))
        .envs([
            ("MINIO_ROOT_USER", KEYS.0),
            ("MINIO_ROOT_PASSWORD", KEYS.1),
            // Without its web console, and without a look for a newer version.
            ("MINIO_BROWSER", "off"),
            ("MINIO_UPDATE", "off"),
            // It encrypts what it is asked to encrypt, with this key.
            ("MINIO_KMS_SECRET_KEY", KMS_SECRET),
        ]);
    Ok(Launch {
        command,
        port,
        ready: "/minio/health/ready",
        litter: Vec::new(),
    })
}

/// Returns true if MinIO is missing and there is no Go to compile it with: then even CI runs
/// without it.
pub(super) fn cannot_be_built() -> bool {
    program(PROGRAM).is_err() && Command::new("go").arg("version").output().is_err()
}
