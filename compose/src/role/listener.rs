//! The sockets that a process listens on.

use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener};

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
            Err(error) => return Err(refused(address, key, &error)),
        }
    }
    anyhow::bail!("{key}: {address} and the {MAX_NEXT_PORTS} ports after it are in use; set {key}")
}

/// Binds exactly this address.
pub(crate) fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| refused(address, key, &error))
}

/// Why nothing can listen there, and what to do.
fn refused(address: SocketAddr, key: &str, error: &Error) -> anyhow::Error {
    let (ip, port) = (address.ip(), address.port());
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => {
            format!("end the process that has port {port}, or set {key} to another port")
        }
        ErrorKind::AddrNotAvailable => format!(
            "this machine has no address {ip}: set {key} to one of its own, or to 0.0.0.0:{port} \
             for all of them"
        ),
        ErrorKind::PermissionDenied => {
            format!("this user may not take port {port}: set {key} to a port above 1023")
        }
        _ => format!("set {key} to another address"),
    };
    anyhow::anyhow!("{key} {address} cannot be bound: {error}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_taken_says_what_to_do() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        let check = |address: SocketAddr, expect: &str| {
            let said = bind(address, "dashboard.listen").unwrap_err().to_string();
            assert!(said.contains(expect), "{said}");
        };
        check(taken, "or set dashboard.listen to another port");
        drop(holder);
        let foreign = "203.0.113.7:0".parse().unwrap();
        check(foreign, "this machine has no address 203.0.113.7");
        let said = bind_near(foreign, "producer.listen").unwrap_err();
        assert!(
            said.to_string()
                .contains("set producer.listen to one of its own"),
            "{said}"
        );
    }
}
