//! One rule: which requests it means, and what becomes of them.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use regex::bytes::Regex;

use super::bots;
use super::patterns::PatternFamily;
use super::rate::AddressRate;
use super::request::RequestHead;
use super::shown;
use super::texts::{RequestText, TextPart};
use crate::address::{self, Network};
use crate::sample::ClickShare;

/// What becomes of a request that a rule means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RuleAction {
    /// It is counted and goes on.
    Count,
    /// It is refused, and no further rule is asked.
    Block,
    /// It goes on, and a share of its clicks is kept.
    Sample(ClickShare),
}

/// Where a rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RulePath {
    Everywhere,
    Exact(String),
    Prefix(String),
}

impl RulePath {
    pub(super) fn holds(&self, path: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Exact(exact) => {
                path == exact || path.strip_suffix('/').is_some_and(|path| path == exact)
            }
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
        }
    }
}

/// What a rule asks of a header.
#[derive(Debug)]
pub(super) struct HeaderTest {
    pub(super) name: HeaderName,
    pub(super) wants: HeaderWish,
}

#[derive(Debug)]
pub(super) enum HeaderWish {
    Present,
    Absent,
    /// In any case of letters; the text is in lower case.
    Contains(String),
    Matches(Regex),
}

/// The patterns that a rule looks for, and where.
#[derive(Debug)]
pub(super) struct PatternTest {
    pub(super) families: Vec<PatternFamily>,
    pub(super) parts: Vec<TextPart>,
    /// Parameters, headers and keys whose texts are not looked at.
    pub(super) except: Vec<String>,
}

/// A rule. Every test that it has must hold.
#[derive(Debug)]
pub(super) struct FirewallRule {
    pub(super) name: String,
    pub(super) action: RuleAction,
    pub(super) path: RulePath,
    pub(super) addresses: Vec<Network>,
    pub(super) not_addresses: Vec<Network>,
    pub(super) methods: Vec<Method>,
    pub(super) headers: Vec<HeaderTest>,
    pub(super) max_url: Option<u64>,
    pub(super) max_headers: Option<u64>,
    pub(super) max_body: Option<u64>,
    pub(super) is_bot: Option<bool>,
    pub(super) patterns: Option<PatternTest>,
    pub(super) rate: Option<Arc<AddressRate>>,
}

impl FirewallRule {
    /// Returns true if the rule may mean a request for its body's sake.
    pub(super) fn reads_bodies(&self) -> bool {
        let patterns = self.patterns.as_ref();
        self.max_body.is_some() || patterns.is_some_and(|test| test.parts.contains(&TextPart::Body))
    }

    /// Returns true if everything holds that is known before the texts are looked at.
    pub(super) fn holds_before_texts(&self, head: &RequestHead<'_>) -> bool {
        self.path.holds(head.path)
            && (self.methods.is_empty() || self.methods.contains(head.method))
            && self.holds_address(head)
            && self.headers.iter().all(|test| test.holds(head))
            && self.max_url.is_none_or(|most| url_bytes(head) > most)
            && self
                .max_headers
                .is_none_or(|most| header_bytes(head) > most)
            && self.is_bot.is_none_or(|wanted| {
                let agent = head.headers.get(header::USER_AGENT);
                let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
                bots::is_bot(agent.as_deref().unwrap_or_default()) == wanted
            })
    }

    fn holds_address(&self, head: &RequestHead<'_>) -> bool {
        if self.addresses.is_empty() && self.not_addresses.is_empty() {
            return true;
        }
        head.client.is_some_and(|client| {
            (self.addresses.is_empty() || address::is_within(client, &self.addresses))
                && !address::is_within(client, &self.not_addresses)
        })
    }

    /// What the rule is about, for a hit that no pattern explains.
    pub(super) fn reason(&self, head: &RequestHead<'_>) -> String {
        let mut parts = Vec::new();
        if let Some(most) = self.max_body {
            parts.push(format!("the body is over {most} bytes"));
        }
        if let Some(most) = self.max_url {
            parts.push(format!(
                "the URL has {} bytes, over {most}",
                url_bytes(head)
            ));
        }
        if let Some(most) = self.max_headers {
            parts.push(format!(
                "the headers have {} bytes, over {most}",
                header_bytes(head)
            ));
        }
        if !self.methods.is_empty() {
            parts.push(format!("the method is {}", head.method));
        }
        if !self.addresses.is_empty() {
            parts.push("the address is listed".into());
        } else if !self.not_addresses.is_empty() {
            parts.push("the address is not listed".into());
        }
        parts.extend(self.headers.iter().map(HeaderTest::said));
        if let Some(is_bot) = self.is_bot {
            let agent = head.headers.get(header::USER_AGENT);
            let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
            let agent = shown::text("user-agent", agent.as_deref().unwrap_or("none"));
            let kind = if is_bot { "a program's" } else { "a person's" };
            parts.push(format!("the user agent is {kind}: {agent}"));
        }
        match parts.is_empty() {
            true => "the path is the rule's".into(),
            false => parts.join("; "),
        }
    }
}

impl PatternTest {
    /// Returns true if the patterns are looked for in this text.
    pub(super) fn means(&self, text: &RequestText<'_>) -> bool {
        let is_excepted = |name: &String| name.eq_ignore_ascii_case(text.name);
        self.parts.contains(&text.part) && !self.except.iter().any(is_excepted)
    }
}

impl HeaderTest {
    fn holds(&self, head: &RequestHead<'_>) -> bool {
        let mut values = head.headers.get_all(&self.name);
        match &self.wants {
            HeaderWish::Present => values.next().is_some(),
            HeaderWish::Absent => values.next().is_none(),
            HeaderWish::Contains(part) => values.any(|value| {
                let value = String::from_utf8_lossy(value.as_bytes());
                value.to_lowercase().contains(part)
            }),
            HeaderWish::Matches(regex) => values.any(|value| regex.is_match(value.as_bytes())),
        }
    }

    fn said(&self) -> String {
        let name = self.name.as_str();
        match &self.wants {
            HeaderWish::Present => format!("the header {name} is there"),
            HeaderWish::Absent => format!("the header {name} is missing"),
            HeaderWish::Contains(part) => format!("the header {name} contains {part:?}"),
            HeaderWish::Matches(regex) => format!("the header {name} matches {regex}"),
        }
    }
}

fn url_bytes(head: &RequestHead<'_>) -> u64 {
    (head.path.len() + head.query.len()) as u64
}

fn header_bytes(head: &RequestHead<'_>) -> u64 {
    let sizes = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    sizes.sum::<usize>() as u64
}
