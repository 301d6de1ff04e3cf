//! A file of rules: TOML with one `[[rule]]` for each.

use std::collections::HashSet;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use bytesize::ByteSize;
use regex::bytes::RegexBuilder;
use serde::Deserialize;

use super::patterns::PatternFamily;
use super::rate::AddressRate;
use super::rule::{FirewallRule, HeaderTest, HeaderWish, PatternTest, RuleAction, RulePath};
use super::texts::TextPart;
use crate::address::Network;
use crate::rate::RequestRate;
use crate::sample::{ClickShare, MIN_SHARE, SampleKey};

/// The rules that come with the program, by the word that producer.rules names them with.
pub(super) const STARTER: (&str, &str) = ("starter", include_str!("../../rules/starter.toml"));
/// How many rules a file may have: each is asked for each request.
const MAX_RULES: usize = 200;
/// How long a rule's name may be.
const MAX_NAME_BYTES: usize = 64;
/// The most memory that an owner's regular expression may take.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// What a file says.
#[derive(Debug)]
pub(super) struct RuleList {
    pub(super) rules: Vec<FirewallRule>,
    /// How many bytes of a request's texts are looked at.
    pub(super) inspect: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFields {
    #[serde(default = "default_inspect")]
    inspect: ByteSize,
    #[serde(default)]
    rule: Vec<toml::Spanned<RuleFields>>,
}

fn default_inspect() -> ByteSize {
    ByteSize::kib(256)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFields {
    name: String,
    action: ActionWord,
    path: Option<String>,
    #[serde(default)]
    addresses: Vec<Network>,
    #[serde(default)]
    not_addresses: Vec<Network>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    headers: Vec<HeaderFields>,
    max_url: Option<ByteSize>,
    max_headers: Option<ByteSize>,
    max_body: Option<ByteSize>,
    bots: Option<bool>,
    #[serde(default)]
    patterns: Vec<PatternFamily>,
    parts: Option<Vec<TextPart>>,
    #[serde(default)]
    except: Vec<String>,
    rate: Option<RequestRate>,
    share: Option<f64>,
    by: Option<SampleKey>,
    orders: Option<bool>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ActionWord {
    Count,
    Block,
    Sample,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderFields {
    name: String,
    present: Option<bool>,
    contains: Option<String>,
    matches: Option<String>,
}

/// Reads the text of a file. The error says the line and what is wrong there.
pub(super) fn read(text: &str) -> Result<RuleList, String> {
    let fields: FileFields = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, &span));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        match line {
            Some(line) => format!("line {line}: {message}"),
            None => message,
        }
    })?;
    if fields.rule.len() > MAX_RULES {
        return Err(format!(
            "it has {} rules; write at most {MAX_RULES}",
            fields.rule.len()
        ));
    }
    let inspect = usize::try_from(fields.inspect.as_u64()).unwrap_or(usize::MAX);
    if !(1_024..=16 << 20).contains(&inspect) {
        return Err(format!(
            "inspect is {}, which is out of bounds; write 1KiB to 16MiB",
            fields.inspect
        ));
    }
    let mut names = HashSet::new();
    let mut rules = Vec::with_capacity(fields.rule.len());
    for spanned in fields.rule {
        let line = line_of(text, &spanned.span());
        let fields = spanned.into_inner();
        let name = fields.name.clone();
        let said = |wrong: String| format!("line {line}: the rule {name:?}: {wrong}");
        if !names.insert(name.clone()) {
            return Err(said("another rule has that name; give it its own".into()));
        }
        rules.push(rule(fields).map_err(said)?);
    }
    Ok(RuleList { rules, inspect })
}

/// The number of the line where a span begins, from 1.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = &text[..text.floor_char_boundary(span.start)];
    before.matches('\n').count() + 1
}

fn rule(fields: RuleFields) -> Result<FirewallRule, String> {
    check_name(&fields.name)?;
    let action = action(&fields)?;
    let patterns = pattern_test(&fields)?;
    let has_test = fields.path.is_some()
        || !fields.addresses.is_empty()
        || !fields.not_addresses.is_empty()
        || !fields.methods.is_empty()
        || !fields.headers.is_empty()
        || fields.max_url.is_some()
        || fields.max_headers.is_some()
        || fields.max_body.is_some()
        || fields.bots.is_some()
        || fields.rate.is_some()
        || patterns.is_some();
    if !has_test {
        return Err("it means every request; add a path, or what a request has to have".into());
    }
    Ok(FirewallRule {
        name: fields.name,
        action,
        path: path(fields.path)?,
        addresses: fields.addresses,
        not_addresses: fields.not_addresses,
        methods: fields
            .methods
            .iter()
            .map(|name| method(name))
            .collect::<Result<_, _>>()?,
        headers: fields
            .headers
            .into_iter()
            .map(header_test)
            .collect::<Result<_, _>>()?,
        max_url: fields.max_url.map(|size| size.as_u64()),
        max_headers: fields.max_headers.map(|size| size.as_u64()),
        max_body: fields.max_body.map(|size| size.as_u64()),
        is_bot: fields.bots,
        patterns,
        rate: fields.rate.map(AddressRate::new).transpose()?.map(Arc::new),
    })
}

/// A name is a label of a metric and a word in a log.
fn check_name(name: &str) -> Result<(), String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_good = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_letter);
    match is_good {
        true => Ok(()),
        false => Err(format!(
            "a name has 1 to {MAX_NAME_BYTES} letters, digits, \"-\", \"_\" and \".\", and nothing else"
        )),
    }
}

fn action(fields: &RuleFields) -> Result<RuleAction, String> {
    match (fields.action, fields.share) {
        (ActionWord::Sample, None) => Err(format!(
            "sample needs a share: how much is kept, from {MIN_SHARE} to 1"
        )),
        (ActionWord::Sample, Some(share)) => {
            let by = fields.by.unwrap_or(SampleKey::Visitor);
            let share = ClickShare::new(share, by, fields.orders.unwrap_or(false))?;
            Ok(RuleAction::Sample(ClickShare {
                rule: Some(fields.name.clone()),
                ..share
            }))
        }
        (_, Some(_)) => Err("only sample has a share; take it out, or set action to sample".into()),
        _ if fields.by.is_some() || fields.orders.is_some() => {
            Err("only sample has by and orders; take them out, or set action to sample".into())
        }
        (ActionWord::Count, None) => Ok(RuleAction::Count),
        (ActionWord::Block, None) => Ok(RuleAction::Block),
    }
}

fn pattern_test(fields: &RuleFields) -> Result<Option<PatternTest>, String> {
    if fields.patterns.is_empty() {
        return match fields.parts.is_some() || !fields.except.is_empty() {
            true => Err("parts and except are for patterns; add patterns, or take them out".into()),
            false => Ok(None),
        };
    }
    let parts = fields.parts.clone().unwrap_or(TextPart::ALL.to_vec());
    match parts.is_empty() {
        true => Err("parts is empty: write path, query, headers or body, or take it out".into()),
        false => Ok(Some(PatternTest {
            families: fields.patterns.clone(),
            parts,
            except: fields.except.clone(),
        })),
    }
}

fn path(written: Option<String>) -> Result<RulePath, String> {
    let Some(written) = written else {
        return Ok(RulePath::Everywhere);
    };
    let is_path = |path: &str| path.starts_with('/') && !path.contains(['*', '?', '#', ' ']);
    match written.strip_suffix('*') {
        Some(prefix) if is_path(prefix) => Ok(RulePath::Prefix(prefix.to_owned())),
        None if is_path(&written) => Ok(RulePath::Exact(written)),
        _ => Err(format!(
            "path is {written:?}; write /v1/events for that path, or /v1/* for all that begins so"
        )),
    }
}

fn method(name: &str) -> Result<Method, String> {
    let is_upper = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase());
    match Method::from_str(name) {
        Ok(method) if is_upper => Ok(method),
        _ => Err(format!("methods has {name:?}; write names like POST")),
    }
}

fn header_test(fields: HeaderFields) -> Result<HeaderTest, String> {
    let name = HeaderName::from_str(&fields.name)
        .map_err(|_| format!("headers has {:?}, which is no header's name", fields.name))?;
    let wants = match (fields.present, fields.contains, fields.matches) {
        (Some(true), None, None) => HeaderWish::Present,
        (Some(false), None, None) => HeaderWish::Absent,
        (None, Some(part), None) if !part.is_empty() => HeaderWish::Contains(part.to_lowercase()),
        (None, None, Some(source)) => HeaderWish::Matches(
            RegexBuilder::new(&source)
                .size_limit(MAX_REGEX_BYTES)
                .build()
                .map_err(|error| {
                    let why = error.to_string();
                    let why = why.lines().last().unwrap_or_default().trim().to_owned();
                    format!("the header {name} cannot match {source:?}: {why}")
                })?,
        ),
        _ => {
            return Err(format!(
                "the header {name} needs one of present, contains and matches"
            ));
        }
    };
    Ok(HeaderTest { name, wants })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_is_a_file_that_counts() {
        let list = read(STARTER.1).unwrap();
        assert!(list.rules.len() > 4);
        for rule in &list.rules {
            assert_eq!(rule.action, RuleAction::Count, "{}", rule.name);
        }
    }

    #[test]
    fn the_page_shows_a_file_of_rules() {
        let page = include_str!("../../../docs/rules.md");
        let shown = page.split("```toml\n# rules.toml\n").nth(1).unwrap();
        let list = read(shown.split("```").next().unwrap()).unwrap();
        assert_eq!(list.rules.len(), 5);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_a_remedy() {
        let check = |text: &str, expect: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        };
        let rule = |rest: &str| format!("[[rule]]\nname = \"a\"\naction = \"block\"\n{rest}");
        check("[[rule]]\nname = 1", "line 2: invalid type");
        check("[[rule]]\nname = \"a\"", "missing field `action`");
        check("rules = []", "unknown field `rules`");
        check(&rule("paths = \"/\""), "line 4: unknown field `paths`");
        check(&rule(""), "line 1: the rule \"a\": it means every request");
        check(&rule("path = \"v1\""), "write /v1/events for that path");
        check(&rule("path = \"/*/b\""), "write /v1/events for that path");
        check(&rule("methods = [\"post\"]"), "write names like POST");
        check(&rule("addresses = [\"ten\"]"), "is not a network");
        check(
            &rule("patterns = [\"sql\"]"),
            "unknown variant `sql`, expected one of `sqli`",
        );
        check(&rule("parts = [\"body\"]\npath = \"/\""), "add patterns");
        check(&rule("patterns = [\"sqli\"]\nparts = []"), "parts is empty");
        check(&rule("rate = { requests = 0, per = \"1s\" }"), "nonzero");
        check(
            &rule("rate = { requests = 1, per = \"1us\" }"),
            "out of bounds",
        );
        check(
            &rule("rate = { requests = 1, per = \"2days\" }"),
            "out of bounds",
        );
        check(
            &rule("share = 0.5\npath = \"/\""),
            "only sample has a share",
        );
        check(
            &rule("by = \"address\"\npath = \"/\""),
            "only sample has by and orders",
        );
        check(
            &rule("headers = [{ name = \"a b\", present = true }]"),
            "no header's name",
        );
        check(
            &rule("headers = [{ name = \"a\" }]"),
            "needs one of present",
        );
        check(
            &rule("headers = [{ name = \"a\", matches = \"(\" }]"),
            "cannot match \"(\": error: unclosed group",
        );
        check(
            "[[rule]]\nname = \"a\"\naction = \"sample\"\npath = \"/\"",
            "sample needs a share",
        );
        check(
            "[[rule]]\nname = \"a\"\naction = \"sample\"\npath = \"/\"\nshare = 2",
            "out of bounds",
        );
        check(
            "[[rule]]\nname = \"a b\"\naction = \"count\"\npath = \"/\"",
            "a name has 1 to 64 letters",
        );
        let twice = rule("path = \"/\"").repeat(2);
        check(
            &twice.replace("/\"[[", "/\"\n[["),
            "line 5: the rule \"a\": another rule has that name",
        );
        check("inspect = \"1B\"", "out of bounds; write 1KiB to 16MiB");
        check(
            &"[[rule]]\nname = \"a\"\naction = \"count\"\n".repeat(201),
            "at most 200",
        );
    }

    #[test]
    fn a_path_is_exact_or_a_prefix() {
        let path = |written: &str| path(Some(written.into())).unwrap();
        let exact = path("/v1/events");
        assert!(exact.holds("/v1/events") && exact.holds("/v1/events/"));
        assert!(!exact.holds("/v1/eventsource") && !exact.holds("/v1"));
        let prefix = path("/v1/*");
        assert!(prefix.holds("/v1/events") && prefix.holds("/v1/") && !prefix.holds("/v1"));
        assert!(path("/*").holds("/anything"));
    }
}
