//! Ports for servers that are told theirs on the command line.

use std::net::TcpListener;
use std::ops::Range;

use anyhow::{Result, ensure};
use rand::Rng as _;

/// Where the servers of the tests listen: below the ports that Linux gives to clients (32,768 and
/// up). Until a server binds its port, some seconds later, no connection of another test may take
/// it.
const SERVER_PORTS: Range<u16> = 10_000..22_000;
/// How many ports are tried for each that is wanted.
const MAX_TRIES: usize = 100;

/// So many ports of loopback that were free a moment ago, each with the port that is `above` it by
/// so much; 0 asks for no other.
///
/// # Errors
/// If there are not so many.
pub fn free_ports(count: usize, above: u16) -> Result<Vec<u16>> {
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
    let (mut held, mut ports) = (Vec::new(), Vec::new());
    for _ in 0..MAX_TRIES * count {
        if ports.len() == count {
            break;
        }
        let port = rand::rng().random_range(SERVER_PORTS);
        let Some(listener) = bind(port) else { continue };
        if above > 0 {
            let Some(other) = bind(port + above) else {
                continue;
            };
            held.push(other);
        }
        held.push(listener);
        ports.push(port);
    }
    ensure!(ports.len() == count, "no {count} ports are free");
    Ok(ports)
}

/// One port of loopback that was free a moment ago.
///
/// # Errors
/// As [`free_ports`].
pub fn free_port() -> Result<u16> {
    Ok(free_ports(1, 0)?[0])
}
