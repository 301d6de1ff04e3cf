//! A section `[[capture]]`: which parts of which requests are kept.

use serde::{Deserialize, Serialize};

use super::pattern::matches;
use crate::address::IpPolicy;
use crate::keys::parameters::KEY_PARAMETERS;
use crate::secrets::QueryName;

/// Headers that tell who may send, or whose request it is: they are never kept.
const CREDENTIAL_HEADERS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-csrf-token",
    "x-xsrf-token",
];
/// Headers in which a proxy writes the client's whole address.
const ADDRESS_HEADERS: [&str; 12] = [
    "x-forwarded-for",
    "x-original-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "fastly-client-ip",
    "cloudfront-viewer-address",
];

/// A part of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptureField {
    /// The client's address, as `producer.ip` keeps it.
    Address,
    /// The client's port, if the client or a trusted proxy says it.
    Port,
    /// The client's country, if a trusted proxy says it.
    Country,
    /// The method, such as `POST`.
    Method,
    /// The path, without the query.
    Path,
    /// The host that the client asked.
    Host,
    /// The protocol, such as `HTTP/1.1`.
    Protocol,
    /// What a browser says of itself besides its user agent (`Sec-CH-UA-…`).
    Hints,
}

/// Which parts of which requests are kept. A `*` in a path or name is any text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureRule {
    /// The requests' path; every path if it is not said.
    #[serde(default = "every_path")]
    pub path: String,
    /// The name of the requests' key; `None` for every request.
    #[serde(default)]
    pub key: Option<String>,
    /// Names of headers.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Names of the query's parameters.
    #[serde(default)]
    pub query: Vec<String>,
    /// Names of cookies.
    #[serde(default)]
    pub cookies: Vec<String>,
    /// Other parts.
    #[serde(default)]
    pub fields: Vec<CaptureField>,
}

fn every_path() -> String {
    "*".to_owned()
}

impl CaptureRule {
    /// Checks that the rule can be obeyed, with the configuration's other keys.
    ///
    /// # Errors
    /// A sentence if it keeps nothing, or what may never be kept.
    pub fn check(
        &self,
        ip: IpPolicy,
        strip_query: &[QueryName],
        has_keys: bool,
    ) -> Result<(), String> {
        let lists = [&self.headers, &self.query, &self.cookies];
        if self.fields.is_empty() && lists.iter().all(|list| list.is_empty()) {
            return Err("it keeps nothing: name headers, query, cookies or fields".into());
        }
        if !self.path.starts_with(['/', '*']) {
            let path = &self.path;
            return Err(format!("path {path:?} is no path: begin it with / or *"));
        }
        if lists.iter().any(|list| list.iter().any(String::is_empty)) {
            return Err("a name is empty: write names, or * for all".into());
        }
        if self.key.is_some() && !has_keys {
            return Err(
                "key is set and producer.keys is not: name a file of keys, or leave key out".into(),
            );
        }
        for name in &self.headers {
            if is_one_of(&CREDENTIAL_HEADERS, name) {
                return Err(format!(
                    "the header {name:?} is a credential and is never kept: leave it out"
                ));
            }
            if is_one_of(&ADDRESS_HEADERS, name) && ip != IpPolicy::Full {
                return Err(format!(
                    "the header {name:?} has whole addresses: write fields = [\"address\"], or set \
                     producer.ip to full"
                ));
            }
        }
        let is_secret = |name: &&String| !may_keep_parameter(name, strip_query);
        match self.query.iter().find(is_secret) {
            None => Ok(()),
            Some(name) => Err(format!(
                "the parameter {name:?} holds a key or is in producer.strip_query: leave it out"
            )),
        }
    }

    /// Returns true for the requests that the rule is about.
    pub(super) fn is_for(&self, path: &str, key: Option<&str>) -> bool {
        let is_key = self.key.as_deref().is_none_or(|name| Some(name) == key);
        is_key && matches(&self.path, path)
    }
}

/// Returns true if a header may be kept, whatever a `*` says.
pub(super) fn may_keep_header(name: &str, ip: IpPolicy) -> bool {
    !is_one_of(&CREDENTIAL_HEADERS, name)
        && (ip == IpPolicy::Full || !is_one_of(&ADDRESS_HEADERS, name))
}

/// Returns true if a query's parameter may be kept, whatever a `*` says.
pub(super) fn may_keep_parameter(name: &str, strip_query: &[QueryName]) -> bool {
    !is_one_of(&KEY_PARAMETERS, name) && !strip_query.iter().any(|secret| secret.is(name))
}

/// Returns true if one of the patterns is as the name, in any case.
pub(super) fn is_named(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_keeps_credentials_or_nothing_is_refused() {
        let check = |text: &str, expect: Option<&str>| {
            let rule: CaptureRule = toml::from_str(text).unwrap();
            let secret = [QueryName::try_from("password".to_owned()).unwrap()];
            let found = rule.check(IpPolicy::Truncate, &secret, false);
            match (&found, expect) {
                (Ok(()), None) => {}
                (Err(said), Some(part)) => assert!(said.contains(part), "{said}"),
                _ => panic!("{text}: {found:?}"),
            }
        };
        check(r#"headers = ["accept-language", "x-*"]"#, None);
        check(r#"path = "/v1/*""#, Some("keeps nothing"));
        check(r#"headers = ["Authorization"]"#, Some("credential"));
        check(r#"headers = ["cookie"]"#, Some("credential"));
        check(r#"headers = ["X-Api-Key"]"#, Some("credential"));
        check(r#"headers = ["X-Forwarded-For"]"#, Some("producer.ip"));
        check(r#"query = ["writekey"]"#, Some("holds a key"));
        check(r#"query = ["Password"]"#, Some("strip_query"));
        check("path = \"v1\"\nfields = [\"path\"]", Some("no path"));
        check("key = \"web\"\nfields = [\"path\"]", Some("producer.keys"));
        check(r#"cookies = [""]"#, Some("empty"));
    }
}
