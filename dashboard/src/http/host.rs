//! The name by which a client calls the dashboard.

use std::net::IpAddr;

/// Returns true if a `Host` names this machine: `localhost` or a loopback address, alone or with a
/// port. What is no host name at all names no machine.
pub(crate) fn names_this_machine(host: &str) -> bool {
    let split = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']'),
        None => Some(host.split_at(host.find(':').unwrap_or(host.len()))),
    };
    split.is_some_and(|(name, port)| is_port(port) && is_this_machine(name))
}

fn is_this_machine(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Returns true for nothing, and for a colon and the digits of a port.
fn is_port(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(':') else {
        return text.is_empty();
    };
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.is_empty() || digits.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_21_only_names_of_this_machine_are_let_in() {
        let check =
            |host: &str, expect: bool| assert_eq!(names_this_machine(host), expect, "{host}");
        check("127.0.0.1:8081", true);
        check("localhost", true);
        check("localhost:", true);
        check("LOCALHOST:80", true);
        check("[::1]:8081", true);
        check("[::1]", true);
        check("127.0.0.1.evil.example:8081", false);
        check("evil.example", false);
        check("localhost.evil.example", false);
        check("192.168.1.4:8081", false);
        check("", false);
        check("127.0.0.1:80@evil.example", false);
        check("localhost:80:evil.example", false);
        check("localhost@evil.example", false);
        check("localhost:evil", false);
        check("localhost:80/evil", false);
        check("localhost:99999", false);
        check("localhost:+80", false);
        check("localhost:-1", false);
        check("[::1].evil", false);
        check("[::1]evil", false);
        check("[::1]:80@evil.example", false);
        check("[::1", false);
        check("[127.0.0.1]evil:80", false);
        check(" localhost", false);
        check(":80", false);
    }
}
