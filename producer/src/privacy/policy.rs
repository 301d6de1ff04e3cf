//! What the owner may decide of such clicks.

use actix_web::http::header::{DNT, HeaderMap, HeaderValue};
use serde::Deserialize;

/// The header of Global Privacy Control, <https://w3c.github.io/gpc/>.
const GPC: &str = "sec-gpc";

/// What becomes of a click whose visitor does not want to be followed. Of several the strictest
/// counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivacyPolicy {
    /// It is kept like any other.
    #[default]
    Ignore,
    /// Its ids are taken out, and one takes their place that the edge makes of the address, the
    /// user agent and a salt of the day.
    Cookieless,
    /// Its ids are taken out, and its address is not kept.
    Anonymous,
    /// It is not kept.
    Drop,
}

/// What becomes of a click by the signals of its browser, where these policies are for them.
pub(crate) fn by_signals(
    headers: &HeaderMap,
    dnt: PrivacyPolicy,
    gpc: PrivacyPolicy,
) -> PrivacyPolicy {
    let is_set = |value: Option<&HeaderValue>| {
        value.is_some_and(|value| value.as_bytes().trim_ascii() == b"1")
    };
    let mut policy = PrivacyPolicy::Ignore;
    if dnt > policy && is_set(headers.get(DNT)) {
        policy = dnt;
    }
    if gpc > policy && is_set(headers.get(GPC)) {
        policy = gpc;
    }
    policy
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    #[test]
    fn input_30_the_stricter_of_two_signals_counts() {
        let (dnt, gpc) = (PrivacyPolicy::Anonymous, PrivacyPolicy::Cookieless);
        let check = |fields: &[(&'static str, &'static str)], expect: PrivacyPolicy| {
            let mut request = TestRequest::default();
            for field in fields {
                request = request.insert_header(*field);
            }
            let request = request.to_http_request();
            assert_eq!(
                by_signals(request.headers(), dnt, gpc),
                expect,
                "{fields:?}"
            );
        };
        check(&[], PrivacyPolicy::Ignore);
        check(&[("dnt", "0")], PrivacyPolicy::Ignore);
        check(&[("dnt", "unspecified")], PrivacyPolicy::Ignore);
        check(&[("dnt", "1")], PrivacyPolicy::Anonymous);
        check(&[("sec-gpc", " 1")], PrivacyPolicy::Cookieless);
        check(&[("sec-gpc", "true")], PrivacyPolicy::Ignore);
        check(&[("sec-gpc", "1"), ("dnt", "1")], PrivacyPolicy::Anonymous);
    }
}
