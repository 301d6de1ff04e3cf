//! The key that a client sends, in the places where the known ones put theirs.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use super::answer::header_text;
use crate::keys::SourceKey;
use crate::keys::parameters::KEY_PARAMETERS;

const API_KEY_HEADER: &str = "x-api-key";

/// Returns the key of a request: its `Authorization` (Bearer, or the user of Basic), its
/// `X-Api-Key`, or a parameter of its query. `None` if it has none.
pub(super) fn key_of(request: &HttpRequest) -> Option<Cow<'_, str>> {
    let authorization = header_text(request, header::AUTHORIZATION).and_then(authorized);
    authorization
        .or_else(|| {
            let name = header::HeaderName::from_static(API_KEY_HEADER);
            header_text(request, name).map(Cow::Borrowed)
        })
        .or_else(|| in_query(request.query_string()))
        .filter(|key| !key.is_empty())
}

/// Returns the request's query as it may be kept: if it came with a key, without the parameters
/// in which that may be.
pub(super) fn kept_query<'r>(request: &'r HttpRequest, key: Option<&SourceKey>) -> Cow<'r, str> {
    let query = request.query_string();
    match key {
        Some(_) => Cow::Owned(without_keys(query)),
        None => Cow::Borrowed(query),
    }
}

fn without_keys(query: &str) -> String {
    let is_key = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        KEY_PARAMETERS.contains(&name)
    };
    let kept = query.split('&').filter(|pair| !is_key(pair));
    kept.collect::<Vec<_>>().join("&")
}

fn authorized(header: &str) -> Option<Cow<'_, str>> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Cow::Borrowed(rest.trim()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
    let key = if user.is_empty() { password } else { user };
    Some(Cow::Owned(key.to_owned()))
}

fn in_query(query: &str) -> Option<Cow<'_, str>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, key) = pairs.find(|(name, _)| KEY_PARAMETERS.contains(name))?;
    percent_decode_str(key).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn input_18_a_key_is_found_where_clients_put_theirs() {
        let check = |uri: &str, name: &'static str, value: &str, expect: Option<&str>| {
            let request = TestRequest::post().uri(uri).insert_header((name, value));
            let request = request.to_http_request();
            assert_eq!(key_of(&request).as_deref(), expect, "{uri} {value}");
        };
        let none = ("accept", "*/*");
        check("/", none.0, none.1, None);
        check("/", "authorization", "Bearer k", Some("k"));
        check("/", "authorization", "bearer  k ", Some("k"));
        check("/", "authorization", "Basic ay1lOg==", Some("k-e"));
        check("/", "authorization", "Basic Oms=", Some("k"));
        check("/", "authorization", "Basic %%", None);
        check("/", "authorization", "Basic Og==", None);
        check("/", "authorization", "Digest x", None);
        check("/", "x-api-key", "k", Some("k"));
        check("/?x=1&key=a%2Bb", none.0, none.1, Some("a+b"));
        check("/?writeKey=w", none.0, none.1, Some("w"));
        check("/?key=", none.0, none.1, None);
        check("/?monkey=x", none.0, none.1, None);
    }

    #[test]
    fn input_18_a_query_without_keys_keeps_the_rest() {
        let check = |query: &str, expect: &str| assert_eq!(without_keys(query), expect, "{query}");
        check("", "");
        check("a=1&b", "a=1&b");
        check("token=t&a=1&api_key&key=k&monkey=x", "a=1&monkey=x");
    }
}
