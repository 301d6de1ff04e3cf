//! Which pages may send clicks, by the `Origin` that their browser names.

use std::net::IpAddr;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::address::{self, Network};

/// Where the page is from that made a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageOrigin {
    /// The edge's own page, or no page at all: the request names no origin.
    Own,
    /// One of `producer.origins`.
    Listed(HeaderValue),
    /// Any other.
    Foreign(HeaderValue),
}

impl PageOrigin {
    /// Adds what lets the page read the answer to a request of `method`. A foreign page may read
    /// that it was refused, so that its console says why; its preflight is not answered.
    pub(super) fn allow(&self, method: &Method, headers: &mut HeaderMap) {
        let origin = match self {
            Self::Own => return,
            Self::Listed(origin) => {
                let set = HeaderValue::from_static("true");
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, set);
                let exposed = HeaderValue::from_static("retry-after");
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
                Some(origin)
            }
            Self::Foreign(origin) => (method != Method::OPTIONS).then_some(origin),
        };
        if let Some(origin) = origin {
            // Never `*`, which no browser takes for a request with credentials.
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// Origins whose pages may send, as browsers write them.
#[derive(Debug, Default)]
pub(crate) struct OriginList {
    is_any: bool,
    listed: Vec<String>,
}

impl OriginList {
    /// Makes a list of origins as people write them; `*` is any.
    pub(crate) fn of<'o>(origins: impl IntoIterator<Item = &'o String>) -> Self {
        let listed: Vec<_> = origins.into_iter().map(|origin| plain(origin)).collect();
        Self {
            is_any: listed.iter().any(|origin| origin == "*"),
            listed,
        }
    }

    /// Returns true if it lists nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    fn has(&self, origin: &str) -> bool {
        self.is_any || self.listed.contains(&plain(origin))
    }
}

impl PageOrigin {
    /// Where the page of a request is from, by these lists. The forwarded host counts if the
    /// peer is one of the `trusted` proxies.
    pub(crate) fn of(
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        trusted: &[Network],
        lists: &[&OriginList],
    ) -> Self {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Self::Own;
        };
        let text = origin.to_str().unwrap_or_default();
        if Self::is_own(text, headers, peer, trusted) {
            Self::Own
        } else if lists.iter().any(|list| list.has(text)) {
            Self::Listed(origin.clone())
        } else {
            Self::Foreign(origin.clone())
        }
    }

    /// Returns true if the page came from the host that the request went to. A browser that says
    /// so is believed, since no script can; else host and port decide.
    fn is_own(
        origin: &str,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        trusted: &[Network],
    ) -> bool {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if text(header::HeaderName::from_static("sec-fetch-site")) == Some("same-origin") {
            return true;
        }
        let origin = plain(origin);
        let Some((scheme, own)) = origin.split_once("://") else {
            return false;
        };
        let is_proxied = peer.is_some_and(|peer| address::is_within(peer, trusted));
        let forwarded = is_proxied.then(|| text(header::X_FORWARDED_HOST)).flatten();
        let mut hosts = [text(header::HOST), forwarded].into_iter().flatten();
        hosts.any(|host| plain(&format!("{scheme}://{host}")) == format!("{scheme}://{own}"))
    }
}

/// An origin as browsers write it: in lower case, without a slash or its scheme's own port.
fn plain(origin: &str) -> String {
    let plain = origin.trim().trim_end_matches('/').to_ascii_lowercase();
    let port = match plain.split_once("://") {
        Some(("https", _)) => ":443",
        Some(("http", _)) => ":80",
        _ => return plain,
    };
    plain
        .strip_suffix(port)
        .map_or_else(|| plain.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_20_an_origin_is_own_listed_or_foreign() {
        let list = OriginList::of(&[
            "https://Shop.example:443/".into(),
            "http://a.example:81".into(),
        ]);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let check = |fields: &[(&'static str, &'static str)], peer: &str, expect: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                );
            }
            let found = match PageOrigin::of(&headers, peer.parse().ok(), &trusted, &[&list]) {
                PageOrigin::Own => "own",
                PageOrigin::Listed(_) => "listed",
                PageOrigin::Foreign(_) => "foreign",
            };
            assert_eq!(found, expect, "{fields:?}");
        };
        let any = "192.0.2.1";
        check(&[], any, "own");
        check(&[("origin", "https://shop.example")], any, "listed");
        check(&[("origin", "http://shop.example")], any, "foreign");
        check(&[("origin", "http://a.example:81")], any, "listed");
        check(&[("origin", "http://a.example")], any, "foreign");
        check(&[("origin", "null")], any, "foreign");
        let own = ("origin", "https://edge.example");
        check(&[own, ("host", "edge.example")], any, "own");
        check(&[own, ("host", "edge.example:443")], any, "own");
        check(&[own, ("host", "edge.example:80")], any, "foreign");
        check(&[own, ("host", "127.0.0.1:8080")], any, "foreign");
        check(&[own, ("sec-fetch-site", "same-origin")], any, "own");
        check(&[own, ("sec-fetch-site", "same-site")], any, "foreign");
        let forwarded = [own, ("x-forwarded-host", "edge.example")];
        check(&forwarded, any, "foreign");
        check(&forwarded, "10.0.0.7", "own");
    }
}
