//! Says in one sentence what a build of the Kafka client lacks, before its own build does.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // OpenSSL's own build looks in more places on other systems, and where its variables say.
    if option_env!("OPENSSL_DIR").is_some() || !cfg!(target_os = "linux") {
        return;
    }
    let found = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "OpenSSL's headers or pkg-config are not installed: run `make setup` first"
    );
}
