//! Tracing: to standard error, so that answers on standard output stay clean.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Installs the subscriber; `RUST_LOG` overrides what is shown.
pub(crate) fn install() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,sql=info,fjall=error,lsm_tree=error"));
    let installed = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // Colours in a file are letters that no search expects.
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .try_init();
    // A test that runs two commands in one process has one already.
    let _ = installed;
}
