//! The sockets that a process listens on.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;

use crate::print;

/// How many ports after the configured one are tried.
const MAX_NEXT_PORTS: u16 = 50;

/// Binds the address, or the next free port after it, and says so.
pub(crate) fn bind_near(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    for step in 0..=MAX_NEXT_PORTS {
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
    anyhow::bail!("{key}: {address} and the {MAX_NEXT_PORTS} ports after it are in use; set {key}")
}

/// Binds exactly this address.
pub(crate) fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("{key} {address} cannot be bound"))
}
