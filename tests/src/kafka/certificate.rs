//! The broker's self-signed certificate, made with the JDK's own tool.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The password of the key store. Its key lives no longer than a test.
pub(super) const PASSWORD: &str = "only-for-tests";

/// The broker's key store.
pub(super) fn keys(folder: &Path) -> PathBuf {
    folder.join("broker.p12")
}

/// The certificate in PEM. It is its own authority.
pub(super) fn authority(folder: &Path) -> PathBuf {
    folder.join("broker.pem")
}

/// Makes the key store and the certificate.
pub(super) fn make(folder: &Path) -> Result<()> {
    let tool = |arguments: &[&str]| -> Result<()> {
        let made = Command::new("keytool")
            .args(arguments)
            .args([
                "-alias",
                "broker",
                "-storetype",
                "PKCS12",
                "-storepass",
                PASSWORD,
            ])
            .arg("-keystore")
            .arg(keys(folder))
            .output()
            .context("keytool is not there")?;
        let said = String::from_utf8_lossy(&made.stdout);
        ensure!(made.status.success(), "keytool failed: {said}");
        Ok(())
    };
    let names = "SAN=dns:localhost,ip:127.0.0.1";
    tool(&[
        "-genkeypair",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-validity",
        "2",
        "-dname",
        "CN=localhost",
        "-ext",
        names,
        "-ext",
        "BC=ca:true",
    ])?;
    let pem = authority(folder);
    tool(&["-exportcert", "-rfc", "-file", &pem.to_string_lossy()])
}
