//! All rules, and what they keep of a request.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header;
use percent_encoding::percent_decode;

use super::parts::RequestParts;
use super::rule::{CaptureField, CaptureRule, is_named, may_keep_header, may_keep_parameter};
use crate::address::{self, IpPolicy, Network};
use crate::secrets::{AddressCleaner, QueryName};

/// What browsers of the Chromium family say of themselves, if they are asked.
const HINTS: [&str; 6] = [
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-ch-ua-platform-version",
    "sec-ch-ua-model",
    "sec-ch-ua-full-version-list",
];
/// The headers in which proxies say the client's country.
const COUNTRY_HEADERS: [&str; 6] = [
    "cloudfront-viewer-country",
    "cf-ipcountry",
    "x-country-code",
    "x-vercel-ip-country",
    "x-appengine-country",
    "x-geo-country",
];
/// The header in which CloudFront says the client's address and port.
const VIEWER_ADDRESS: &str = "cloudfront-viewer-address";
/// What a client sends that wants nobody to know whose its events are.
const ANONYMOUS: &str = "sp-anonymous";

/// What is kept of requests.
#[derive(Debug)]
pub(crate) struct CaptureSet {
    rules: Vec<CaptureRule>,
    ip: IpPolicy,
    trusted_proxies: Vec<Network>,
    strip_query: Vec<QueryName>,
    /// True if any rule keeps hints, so that browsers have to be asked for them.
    pub(crate) wants_hints: bool,
}

impl CaptureSet {
    pub(crate) fn of(
        rules: &[CaptureRule],
        ip: IpPolicy,
        trusted_proxies: &[Network],
        strip_query: &[QueryName],
    ) -> Self {
        Self {
            rules: rules.to_vec(),
            ip,
            trusted_proxies: trusted_proxies.to_vec(),
            strip_query: strip_query.to_vec(),
            wants_hints: rules
                .iter()
                .any(|rule| rule.fields.contains(&CaptureField::Hints)),
        }
    }

    /// What is kept of a request that came with the key of this name, from this client, as JSON, and
    /// whether a secret was taken out of it. `None` if nothing is kept.
    pub(crate) fn capture(
        &self,
        request: &HttpRequest,
        key: Option<&str>,
        client: Option<IpAddr>,
        cleaner: &AddressCleaner,
    ) -> Option<(String, bool)> {
        if self.rules.is_empty() {
            return None;
        }
        let mut parts = RequestParts::new(cleaner);
        let is_anonymous = request.headers().contains_key(ANONYMOUS);
        let is_for = |rule: &&CaptureRule| rule.is_for(request.path(), key);
        for rule in self.rules.iter().filter(is_for) {
            for field in &rule.fields {
                self.put_field(
                    *field,
                    request,
                    client.filter(|_| !is_anonymous),
                    &mut parts,
                );
            }
            self.put_headers(rule, request, &mut parts);
            self.put_parameters(rule, request, &mut parts);
            if !is_anonymous {
                put_cookies(rule, request, &mut parts);
            }
        }
        parts.end()
    }

    fn put_field(
        &self,
        field: CaptureField,
        request: &HttpRequest,
        client: Option<IpAddr>,
        parts: &mut RequestParts<'_>,
    ) {
        let (name, value) = match field {
            CaptureField::Address => {
                let kept = client.and_then(|client| address::anonymize(client, self.ip));
                ("address", kept.map(Cow::Owned))
            }
            CaptureField::Port => {
                let port = client.and_then(|client| self.port(request, client));
                ("port", port.map(Cow::Owned))
            }
            CaptureField::Country => ("country", self.country(request).map(Cow::Borrowed)),
            CaptureField::Method => ("method", Some(request.method().as_str().into())),
            CaptureField::Path => ("path", Some(request.path().into())),
            CaptureField::Host => ("host", host(request)),
            CaptureField::Protocol => {
                let version = format!("{:?}", request.version());
                ("protocol", Some(version.into()))
            }
            CaptureField::Hints => {
                for name in HINTS {
                    // Quotes would need an escape in JSON; without them nothing is lost.
                    let value = header(request, name).unwrap_or_default();
                    parts.put(name, &value.replace('"', ""));
                }
                return;
            }
        };
        parts.put(name, &value.unwrap_or_default());
    }

    fn put_headers(&self, rule: &CaptureRule, request: &HttpRequest, parts: &mut RequestParts<'_>) {
        if rule.headers.is_empty() {
            return;
        }
        for (name, value) in request.headers() {
            let name = name.as_str();
            if is_named(&rule.headers, name) && may_keep_header(name, self.ip) {
                parts.put(name, &String::from_utf8_lossy(value.as_bytes()));
            }
        }
    }

    fn put_parameters(
        &self,
        rule: &CaptureRule,
        request: &HttpRequest,
        parts: &mut RequestParts<'_>,
    ) {
        if rule.query.is_empty() {
            return;
        }
        for pair in request.query_string().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            if is_named(&rule.query, &name) && may_keep_parameter(&name, &self.strip_query) {
                parts.put(&format!("query.{name}"), &value);
            }
        }
    }

    /// Returns true if a proxy sent the request whose words are believed.
    fn is_trusted(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map(|peer| peer.ip());
        peer.is_some_and(|peer| address::is_within(peer, &self.trusted_proxies))
    }

    fn port(&self, request: &HttpRequest, client: IpAddr) -> Option<String> {
        if self.is_trusted(request) {
            let viewer = header(request, VIEWER_ADDRESS)?;
            let port = viewer.rsplit_once(':')?.1.parse::<u16>().ok()?;
            return Some(port.to_string());
        }
        let peer = request.peer_addr()?;
        (peer.ip().to_canonical() == client.to_canonical()).then(|| peer.port().to_string())
    }

    /// Two letters, as ISO 3166 has them. `XX` and `T1` say that a proxy does not know it.
    fn country<'r>(&self, request: &'r HttpRequest) -> Option<&'r str> {
        if !self.is_trusted(request) {
            return None;
        }
        let is_country = |text: &&str| {
            text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) && *text != "XX"
        };
        COUNTRY_HEADERS
            .iter()
            .filter_map(|name| request.headers().get(*name)?.to_str().ok())
            .map(str::trim)
            .find(is_country)
    }
}

fn put_cookies(rule: &CaptureRule, request: &HttpRequest, parts: &mut RequestParts<'_>) {
    if rule.cookies.is_empty() {
        return;
    }
    for value in request.headers().get_all(header::COOKIE) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for pair in text.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else {
                continue;
            };
            if is_named(&rule.cookies, name) {
                parts.put(&format!("cookie.{name}"), value.trim_matches('"'));
            }
        }
    }
}

fn host(request: &HttpRequest) -> Option<Cow<'_, str>> {
    let authority = || request.uri().authority().map(|host| host.as_str().into());
    header(request, "host").or_else(authority)
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<Cow<'r, str>> {
    let value = request.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()))
}

/// Decodes a name or a value of a query.
fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode(spaced.as_bytes()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
