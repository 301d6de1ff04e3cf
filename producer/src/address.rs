//! The client's address: which proxies are trusted, and how much of it is kept.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, de};

/// How much of a client's address is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpPolicy {
    /// The network: `/24` of IPv4, `/48` of IPv6.
    Truncate,
    /// The whole address.
    Full,
    /// Nothing.
    None,
}

/// An address (`10.0.0.7`) or a CIDR network (`10.0.0.0/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

impl Network {
    /// Returns true if `address` belongs to this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(other)) => {
                masked(base.to_bits().into(), self.prefix + 96)
                    == masked(other.to_bits().into(), self.prefix + 96)
            }
            (IpAddr::V6(base), IpAddr::V6(other)) => {
                masked(base.to_bits(), self.prefix) == masked(other.to_bits(), self.prefix)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network: write 10.0.0.7 or 10.0.0.0/8");
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        if prefix > widest {
            return Err(wrong());
        }
        Ok(Self { base, prefix })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Returns the client's address: the peer's own, unless the peer is a trusted proxy. Then
/// `X-Forwarded-For` is read from right to left, up to the first address that is not a
/// trusted proxy or the first text that is not an address. A hop that a proxy left empty or
/// did not name (`unknown`) is passed over.
pub(crate) fn client<'h>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &[Network],
) -> IpAddr {
    let mut nearest = peer.to_canonical();
    if !is_within(nearest, trusted) {
        return nearest;
    }
    let hops = forwarded.rev().flat_map(|header| header.rsplit(','));
    for hop in hops.map(bare).filter(|hop| is_named(hop)) {
        let Some(address) = parse(hop) else {
            return nearest;
        };
        nearest = address.to_canonical();
        if !is_within(nearest, trusted) {
            return nearest;
        }
    }
    nearest
}

/// Returns true if one of the networks contains the address.
pub(crate) fn is_within(address: IpAddr, networks: &[Network]) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// A hop without the spaces and quotes around it.
fn bare(hop: &str) -> &str {
    hop.trim_matches(|c: char| c.is_ascii_whitespace() || c == '"')
}

/// Returns false for what a proxy writes where it does not know its client or does not say:
/// nothing, `unknown`, a name of its own that begins with `_`, or a Unix socket.
fn is_named(hop: &str) -> bool {
    !hop.is_empty()
        && !hop.eq_ignore_ascii_case("unknown")
        && !hop.starts_with('_')
        && !hop.starts_with("unix:")
}

/// Parses an address as proxies write it: bare, with a port, or in brackets; a zone (`%eth0`)
/// means something on the proxy only.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    let unzoned = text.split_once('%').map(|(head, zone)| {
        let rest = zone.find(']').map_or("", |end| &zone[end..]);
        format!("{head}{rest}")
    });
    let text = unzoned.as_deref().unwrap_or(text);
    let bare = text.parse::<IpAddr>().ok();
    bare.or_else(|| {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    })
    .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// Returns what the policy keeps of an address; `None` if it keeps nothing.
pub(crate) fn anonymize(address: IpAddr, policy: IpPolicy) -> Option<String> {
    match (policy, address.to_canonical()) {
        (IpPolicy::None, _) => None,
        (IpPolicy::Full, address) => Some(address.to_string()),
        (IpPolicy::Truncate, IpAddr::V4(address)) => {
            Some(Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00).to_string())
        }
        (IpPolicy::Truncate, IpAddr::V6(address)) => {
            Some(Ipv6Addr::from_bits(masked(address.to_bits(), 48)).to_string())
        }
    }
}

/// Returns the first `prefix` of 128 bits, the others cleared.
fn masked(bits: u128, prefix: u32) -> u128 {
    let rest = 128 - prefix;
    bits.checked_shr(rest)
        .and_then(|head| head.checked_shl(rest))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_21_forwarded_for_is_read_right_to_left_from_trusted_peers_only() {
        let check = |peer: &str, forwarded: &[&str], expect: &str| {
            let trusted: Vec<Network> = ["10.0.0.0/8", "fd00::/16"]
                .iter()
                .map(|n| n.parse().unwrap())
                .collect();
            let found = client(peer.parse().unwrap(), forwarded.iter().copied(), &trusted);
            assert_eq!(found.to_string(), expect, "{peer} {forwarded:?}");
        };
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check(
            "10.0.0.1",
            &["6.6.6.6, 198.51.100.1, 10.9.9.9"],
            "198.51.100.1",
        );
        check(
            "10.0.0.1",
            &["6.6.6.6", "198.51.100.1:4711"],
            "198.51.100.1",
        );
        check("10.0.0.1", &["6.6.6.6, nobody"], "10.0.0.1");
        check("10.0.0.1", &[&"x".repeat(10_000)], "10.0.0.1");
        check("::ffff:10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("fd00::1", &[], "fd00::1");
        check("11.0.0.1", &["1.2.3.4"], "11.0.0.1");
    }

    #[test]
    fn b60_hops_are_read_as_proxies_write_them() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let check = |peer: &str, forwarded: &str, expect: &str| {
            let found = client(peer.parse().unwrap(), [forwarded].into_iter(), &trusted);
            assert_eq!(found.to_string(), expect, "{peer} {forwarded:?}");
        };
        for hop in [
            "198.51.100.9,",
            "198.51.100.9, ,",
            "\"198.51.100.9\"",
            " 198.51.100.9:4711 ",
            "\"198.51.100.9:4711\", 10.0.0.2",
            "198.51.100.9, unknown",
            "198.51.100.9, UNKNOWN, 10.0.0.2",
            "198.51.100.9, unix:",
            "198.51.100.9, _hidden",
            "6.6.6.6, 198.51.100.9",
            "::ffff:198.51.100.9",
        ] {
            check("10.0.0.1", hop, "198.51.100.9");
            check("203.0.113.7", hop, "203.0.113.7");
        }
        check("10.0.0.1", "\"[2001:db8::9]\"", "2001:db8::9");
        check("10.0.0.1", "\"[2001:db8::9]:4711\"", "2001:db8::9");
        check("10.0.0.1", "fe80::1%eth0", "fe80::1");
        check("10.0.0.1", "[fe80::1%25eth0]:80", "fe80::1");
        check("10.0.0.1", "unknown", "10.0.0.1");
        check("10.0.0.1", ",,", "10.0.0.1");
        check("10.0.0.1", "\u{fffd}, 198.51.100.9", "198.51.100.9");
        check("10.0.0.1", "198.51.100.9, \u{fffd}", "10.0.0.1");
        check("10.0.0.1", &"[%]".repeat(10_000), "10.0.0.1");
    }

    #[test]
    fn input_31_addresses_are_cut() {
        let check = |address: &str, policy, expect: Option<&str>| {
            assert_eq!(
                anonymize(address.parse().unwrap(), policy).as_deref(),
                expect,
                "{address}"
            );
        };
        check("203.0.113.9", IpPolicy::Truncate, Some("203.0.113.0"));
        check(
            "::ffff:203.0.113.9",
            IpPolicy::Truncate,
            Some("203.0.113.0"),
        );
        check("2001:db8:1:2::3", IpPolicy::Truncate, Some("2001:db8:1::"));
        check("203.0.113.9", IpPolicy::Full, Some("203.0.113.9"));
        check("203.0.113.9", IpPolicy::None, None);
    }

    #[test]
    fn a_text_that_is_not_a_network_is_refused_with_a_reason() {
        for text in ["10.0.0.0/33", "ten", "10.0.0.0/x", ""] {
            assert!(
                text.parse::<Network>()
                    .unwrap_err()
                    .contains("is not a network")
            );
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("9.9.9.9".parse().unwrap()));
    }
}
