//! Which visitors a rule keeps if it keeps a share of them: the same ones on every edge and after
//! every start, so that visits stay whole.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::json::JsonStrings;
use super::request::RequestHead;

/// The names by which trackers say whose click it is.
const VISITOR_NAMES: [&str; 10] = [
    "visitor_id",
    "anonymousId",
    "anonymous_id",
    "distinct_id",
    "duid",
    "nuid",
    "client_id",
    "_id",
    "cid",
    "uid",
];

/// The names by which trackers say what was done.
const ACTION_NAMES: [&str; 6] = ["action", "event", "event_name", "en", "name", "e"];
/// What was done when somebody buys, in the words of several trackers, in lower case.
const ORDERS: [&str; 10] = [
    "buy",
    "cancel",
    "begin_checkout",
    "purchase",
    "refund",
    "order completed",
    "order cancelled",
    "order refunded",
    "checkout started",
    "transaction",
];

/// Returns true if a request says that somebody bought something, or begins to.
pub(super) fn holds_order(head: &RequestHead<'_>, body: &[u8]) -> bool {
    let is_order = |name: &str, text: &str| {
        let mut orders = ORDERS.iter();
        ACTION_NAMES.contains(&name) && orders.any(|order| text.eq_ignore_ascii_case(order))
    };
    let mut pairs = head
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    if pairs.any(|(name, value)| is_order(name, value)) {
        return true;
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    let mut strings = JsonStrings::of(text);
    strings.any(|string| !string.is_key && is_order(string.key, &string.text))
}

/// Returns true if the share, from 0 to 1, has the visitor or the address.
pub(super) fn is_kept(key: &str, share: f64) -> bool {
    let digest = Sha256::digest(key.as_bytes());
    let (head, _) = digest.split_at(4);
    let drawn = head
        .iter()
        .fold(0_u32, |drawn, &byte| drawn << 8 | u32::from(byte));
    f64::from(drawn) < share * (f64::from(u32::MAX) + 1.0)
}

/// The visitor whom a request names first; `None` if it names none.
pub(super) fn visitor(head: &RequestHead<'_>, body: &[u8]) -> Option<String> {
    let pairs = head
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let mut of_query =
        pairs.filter(|(name, value)| VISITOR_NAMES.contains(name) && !value.is_empty());
    if let Some((_, value)) = of_query.next() {
        return Some(value.to_owned());
    }
    let text = std::str::from_utf8(body).ok()?;
    let mut strings = JsonStrings::of(text);
    let named = strings.find(|string| {
        !string.is_key && VISITOR_NAMES.contains(&string.key) && !string.text.is_empty()
    });
    named.map(|string| string.text.into_owned())
}

/// An address as the key of a share.
pub(super) fn address(client: Option<IpAddr>) -> String {
    client.map_or_else(String::new, |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_keeps_its_share_and_always_the_same() {
        for (share, least, most) in [(0.0, 0, 0), (0.1, 900, 1_100), (1.0, 10_000, 10_000)] {
            let all = (0..10_000).map(|n| format!("visitor-{n}"));
            let kept: Vec<_> = all.filter(|visitor| is_kept(visitor, share)).collect();
            assert!(
                (least..=most).contains(&kept.len()),
                "{share}: {}",
                kept.len()
            );
            assert!(
                kept.iter()
                    .all(|visitor| is_kept(visitor, (share * 2.0).min(1.0)))
            );
        }
        // Written down, so that no version of this program chooses others.
        let all = (0..20).map(|n| format!("v{n}"));
        let kept: Vec<_> = all.filter(|visitor| is_kept(visitor, 0.3)).collect();
        assert_eq!(
            kept,
            ["v0", "v1", "v6", "v7", "v8", "v9", "v11", "v12", "v16"]
        );
    }
}
