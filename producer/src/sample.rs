//! Which clicks are kept where a share of the visitors is: those of the same visitors on every edge
//! and after every start, so that visits stay whole.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::accept::strings::JsonStrings;

/// The least share that may be kept.
pub(crate) const MIN_SHARE: f64 = 0.0001;

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
/// What Snowplow calls a transaction and an item of it, which are too short for other names.
const SNOWPLOW_ORDERS: [(&str, &str); 2] = [("e", "tr"), ("e", "ti")];
/// The name under which Matomo has an order's id.
const MATOMO_ORDER_ID: &str = "ec_id";

/// What a share is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SampleKey {
    Address,
    /// The address if the click names no visitor.
    Visitor,
}

/// A share of the clicks that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ClickShare {
    /// The rule that says so; `None` if a key does.
    pub(crate) rule: Option<String>,
    /// From [`MIN_SHARE`] to 1.
    pub(crate) share: f64,
    pub(crate) by: SampleKey,
    /// True if orders are left out too.
    pub(crate) orders: bool,
}

impl ClickShare {
    /// A share, unless it is out of bounds. The error says so.
    pub(crate) fn new(share: f64, by: SampleKey, orders: bool) -> Result<Self, String> {
        if !(MIN_SHARE..=1.0).contains(&share) {
            return Err(format!(
                "share is {share}, which is out of bounds; write {MIN_SHARE} to 1"
            ));
        }
        Ok(Self {
            rule: None,
            share,
            by,
            orders,
        })
    }
}

/// Draws a click by all shares that hold for it. Returns the rate at which such clicks are kept,
/// `None` if all are; the error is the place of the share that leaves this one out.
pub(crate) fn draw(
    shares: &[ClickShare],
    click: &RawValue,
    visitor: Option<&str>,
    client: Option<IpAddr>,
) -> Result<Option<f64>, usize> {
    if shares.is_empty() {
        return Ok(None);
    }
    let is_order = holds_order(click.get());
    let address = client.map_or_else(String::new, |address| address.to_string());
    // Shares of the same key are drawn alike: the least of them holds the others.
    let (mut of_visitors, mut of_addresses): (Option<f64>, Option<f64>) = (None, None);
    for (place, share) in shares.iter().enumerate() {
        if is_order && !share.orders {
            continue;
        }
        let (key, least) = match (share.by, visitor) {
            (SampleKey::Visitor, Some(visitor)) => (visitor, &mut of_visitors),
            _ => (&*address, &mut of_addresses),
        };
        if !is_kept(key, share.share) {
            return Err(place);
        }
        *least = Some(least.map_or(share.share, |least| least.min(share.share)));
    }
    let rates = [of_visitors, of_addresses].into_iter().flatten();
    Ok(rates.reduce(|one, other| one * other))
}

/// Returns true if a click says that somebody bought something, or begins to.
fn holds_order(click: &str) -> bool {
    let is_action = |name: &str, text: &str| {
        let mut orders = ORDERS.iter();
        let is_order =
            ACTION_NAMES.contains(&name) && orders.any(|order| text.eq_ignore_ascii_case(order));
        is_order || SNOWPLOW_ORDERS.contains(&(name, text))
    };
    let mut strings = JsonStrings::of(click);
    strings.any(|string| match string.is_key {
        true => string.text == MATOMO_ORDER_ID,
        false => is_action(string.key, &string.text),
    })
}

/// Returns true if the share, from 0 to 1, has the visitor or the address.
fn is_kept(key: &str, share: f64) -> bool {
    let digest = Sha256::digest(key.as_bytes());
    let (head, _) = digest.split_at(4);
    let drawn = head
        .iter()
        .fold(0_u32, |drawn, &byte| drawn << 8 | u32::from(byte));
    f64::from(drawn) < share * (f64::from(u32::MAX) + 1.0)
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

    #[test]
    fn an_order_is_known_in_the_words_of_several_trackers() {
        let check = |click: &str, expect: bool| assert_eq!(holds_order(click), expect, "{click}");
        check(r#"{"action":"buy"}"#, true);
        check(r#"{"type":"track","event":"Order Completed"}"#, true);
        check(r#"{"name":"purchase","params":{}}"#, true);
        check(r#"{"en":"begin_checkout"}"#, true);
        check(r#"{"e":"tr"}"#, true);
        check(r#"{"e":"pv"}"#, false);
        check(r#"{"name":"tr"}"#, false);
        check(r#"{"idgoal":"0","ec_id":"o1"}"#, true);
        check(r#"{"data":{"action":"cancel"}}"#, true);
        check(r#"{"action":"view","query":"buy"}"#, false);
        check(r#"{"buy":"action"}"#, false);
    }

    #[test]
    fn shares_of_one_key_are_drawn_alike_and_of_two_apart() {
        let share = |share: f64, by| ClickShare::new(share, by, false).unwrap();
        let click: &RawValue = serde_json::from_str(r#"{"action":"view"}"#).unwrap();
        let client: IpAddr = "192.0.2.7".parse().unwrap();
        let draw = |shares: &[ClickShare], visitor| draw(shares, click, visitor, Some(client));
        let (half, third) = (
            share(0.5, SampleKey::Visitor),
            share(0.3, SampleKey::Visitor),
        );
        assert_eq!(draw(&[], Some("v0")), Ok(None));
        // v0 is among the 0.3, v2 is not.
        assert_eq!(
            draw(&[half.clone(), third.clone()], Some("v0")),
            Ok(Some(0.3))
        );
        assert_eq!(draw(&[third, half], Some("v2")), Err(0));
        let all = share(1.0, SampleKey::Address);
        let visitors = share(0.5, SampleKey::Visitor);
        assert_eq!(draw(&[all, visitors], Some("v0")), Ok(Some(0.5)));
    }
}
