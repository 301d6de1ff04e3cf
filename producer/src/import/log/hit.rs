//! A request that carried a click in its query, as the edge's pixel takes it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::super::map::json::{push_name, push_quoted};
use crate::accept::identity::ClickIdentity;
use crate::accept::pixel;

/// Where a page without scripts sends its click.
const PIXEL: &str = "/pixel.gif";
/// Where programs send theirs.
const API: &str = "/v1/";
/// The parameter without which a request to [`API`] is none.
const ACTION: &str = "action";

/// The click that a request carried, as JSON, and its visitor.
pub(super) type CarriedClick = (String, Option<String>);

/// Returns the query of a request that carried a click. One that the server refused carried none.
pub(super) fn query<'u>(
    method: Option<&str>,
    status: Option<u16>,
    url: Option<&'u str>,
) -> Option<&'u str> {
    let method = method.unwrap_or("GET");
    let was_taken = status.is_none_or(|status| status < 400);
    let (address, query) = url?.split_once('?')?;
    let query = query.split('#').next().unwrap_or(query);
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => address,
    };
    let is_hit = match method {
        "GET" if path.ends_with(PIXEL) => !query.is_empty(),
        "GET" | "POST" if path.starts_with(API) => {
            let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
            names.any(|name| name == ACTION)
        }
        _ => false,
    };
    (is_hit && was_taken).then_some(query)
}

/// Makes the click of a query. What it does not say the line does: when it was, and on which page.
pub(super) fn carried(
    query: &str,
    time: Option<&str>,
    referrer: Option<&str>,
) -> Result<CarriedClick, String> {
    let written = pixel::click(query).map_err(|rejection| rejection.to_string())?;
    let written = String::from_utf8_lossy(&written);
    let click: &RawValue = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    let visitor = ClickIdentity::of(click)?.visitor.map(Cow::into_owned);
    let fields: BTreeMap<Cow<'_, str>, IgnoredAny> =
        serde_json::from_str(&written).map_err(|error| error.to_string())?;
    let mut json = String::from("{");
    for (name, text) in [("occurred_at", time), ("url", referrer)] {
        if let Some(text) = text.filter(|_| !fields.contains_key(name)) {
            push_name(&mut json, name);
            push_quoted(&mut json, text);
        }
    }
    if json.len() > 1 {
        json.push(',');
    }
    json.push_str(&written[1..]);
    Ok((json, visitor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_carries_a_click_is_told_from_others() {
        let check = |method: &str, status: u16, url: &str, expect: Option<&str>| {
            let found = query(Some(method), Some(status), Some(url));
            assert_eq!(found, expect, "{method} {url} {status}");
        };
        check("GET", 200, "/pixel.gif?a=b", Some("a=b"));
        check(
            "GET",
            304,
            "https://cdn.example/x/pixel.gif?a=b",
            Some("a=b"),
        );
        check(
            "GET",
            200,
            "/v1/events?action=view&a=b",
            Some("action=view&a=b"),
        );
        check(
            "POST",
            202,
            "https://e.example/v1/events?action=view",
            Some("action=view"),
        );
        check("HEAD", 200, "/pixel.gif?a=b", None);
        check("GET", 503, "/pixel.gif?a=b", None);
        check("GET", 200, "/pixel.gif", None);
        check("GET", 200, "/pixel.gif?", None);
        check("GET", 200, "/v1/events?page=2", None);
        check("GET", 200, "/shop?next=/pixel.gif?a=b", None);
        check("GET", 200, "/v10/?action=view", None);
    }

    #[test]
    fn a_carried_click_says_what_its_query_says_and_the_line_the_rest() {
        let click = |query: &str| carried(query, Some("T"), Some("https://shop.example/"));
        let (json, visitor) = click("action=view&visitor_id=ada&price=9.5").unwrap();
        assert_eq!(
            json,
            r#"{"occurred_at":"T","url":"https://shop.example/","action":"view","visitor_id":"ada","price":9.5}"#
        );
        assert_eq!(visitor.as_deref(), Some("ada"));
        let (json, _) = click("occurred_at=1&url=u").unwrap();
        assert_eq!(json, r#"{"occurred_at":1,"url":"u"}"#);
        assert!(click("id=1&id=2").unwrap_err().contains("duplicate field"));
        assert!(click("&").is_err());
    }
}
