//! Listeners and signals.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::print;

/// How many ports are tried after the configured one.
const NEXT: u16 = 50;

/// Binds the address; where it is taken, the next free port, and says so.
pub(crate) fn bind_near(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    for step in 0..=NEXT {
        let port = address.port().saturating_add(step);
        match TcpListener::bind(SocketAddr::new(address.ip(), port)) {
            Ok(listener) => {
                if step > 0 {
                    print::note(&format!("port {} is in use, taking {port}", address.port()));
                }
                return Ok(listener);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse && address.port() != 0 => {}
            Err(error) => return Err(error).with_context(|| format!("{key} {address}")),
        }
    }
    anyhow::bail!("{key}: {address} and the {NEXT} ports after it are in use; set {key}")
}

/// Binds exactly the address.
pub(crate) fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("{key} {address} cannot be bound"))
}

/// Two tokens: the first signal means stop, the second means now.
pub(crate) struct Signals {
    pub(crate) stop: CancellationToken,
    pub(crate) now: CancellationToken,
}

impl Signals {
    /// Listens for SIGINT and SIGTERM, which mean the same.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (stop, now) = (CancellationToken::new(), CancellationToken::new());
        let signals = Self {
            stop: stop.clone(),
            now: now.clone(),
        };
        tokio::spawn(async move {
            for token in [stop, now] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                token.cancel();
            }
        });
        Ok(signals)
    }
}
