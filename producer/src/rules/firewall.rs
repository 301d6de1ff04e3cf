//! The firewall: the rules in force, what they did, and where they come from.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use topic::clock::SharedClock;

use super::file::{self, STARTER};
use super::hits::{HitRing, RuleHit};
use super::metrics::RuleMetrics;
use super::request::{self, RequestHead};
use super::rule::{FirewallRule, RuleAction};
use super::set::{BodyBytes, Judgement, RuleOutcome, RuleSet};
use super::shown;
use crate::accept::body;
use crate::accept::rejection::Rejection;
use crate::address::{self, IpPolicy};
use crate::config::Config;
use crate::rate::whole_seconds;
use crate::sample::ClickShare;
use crate::watched::WatchedFile;

/// Why `producer.rules` cannot be used: what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("producer.rules: {0}")]
pub struct RuleError(String);

/// Where the rules come from.
#[derive(Debug)]
enum RuleSource {
    Starter,
    File(WatchedFile),
}

impl RuleSource {
    fn name(&self) -> String {
        match self {
            Self::Starter => STARTER.0.to_owned(),
            Self::File(file) => file.path().display().to_string(),
        }
    }
}

/// Reads the rules of a source from its text.
fn parse(source: &RuleSource, text: &str) -> Result<RuleSet, String> {
    let rules = file::read(text).map_err(|why| {
        let name = source.name();
        format!("{name}: {why}; docs/rules.md lists what a rule may say")
    });
    rules.map(RuleSet::new)
}

/// Why there is no text of rules, and what else the configuration may name.
fn unread(why: &str) -> String {
    let starter = STARTER.0;
    format!("{why} (\"{starter}\" names the rules that come with the program)")
}

/// The firewall of an edge.
pub struct Firewall {
    source: RuleSource,
    rules: RwLock<Arc<RuleSet>>,
    /// Why older rules are in force; `None` if these are the newest.
    stale: Mutex<Option<String>>,
    hits: HitRing,
    metrics: RuleMetrics,
    clock: SharedClock,
    ip: IpPolicy,
    max_inflated: usize,
}

impl std::fmt::Debug for Firewall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Firewall")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What the rules did since the process started, for a page and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirewallReport {
    /// The file of the rules, or `starter`.
    pub source: String,
    /// Why older rules are in force than those of the file; `None` if they are the file's.
    pub stale: Option<String>,
    /// Each rule and what becomes of a request that it means, with how often that happened.
    pub rules: Vec<(String, &'static str, u64)>,
    /// The newest hits, the newest first.
    pub hits: Vec<RuleHit>,
}

/// A request whose head was judged. Its body is judged by the same rules.
#[derive(Debug)]
pub(crate) struct JudgedHead {
    rules: Arc<RuleSet>,
    /// The rules that meant the request already, by their place.
    asked: Vec<usize>,
    client: Option<IpAddr>,
    shares: Vec<ClickShare>,
}

impl JudgedHead {
    /// The shares of the request's clicks that are kept.
    pub(crate) fn shares(&self) -> &[ClickShare] {
        &self.shares
    }

    /// The client's address.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

impl Firewall {
    /// Opens the firewall that `producer.rules` names; `None` if it is empty.
    ///
    /// # Errors
    /// Fails if the file cannot be read or holds what is no rule. The sentence says where.
    pub fn open(
        config: &Config,
        metrics: &RuleMetrics,
        clock: SharedClock,
    ) -> Result<Option<Arc<Self>>, RuleError> {
        let (source, text) = match config.rules.trim() {
            "" => return Ok(None),
            name if name == STARTER.0 => (RuleSource::Starter, STARTER.1.to_owned()),
            path => {
                let opened = WatchedFile::open(path.into());
                let (file, text) = opened.map_err(|why| RuleError(unread(&why)))?;
                (RuleSource::File(file), text)
            }
        };
        let rules = parse(&source, &text).map_err(RuleError)?;
        let firewall = Self {
            source,
            rules: RwLock::new(Arc::new(rules)),
            stale: Mutex::default(),
            hits: HitRing::default(),
            metrics: metrics.clone(),
            clock,
            ip: config.ip,
            max_inflated: usize::try_from(config.max_inflated.as_u64()).unwrap_or(usize::MAX),
        };
        firewall.prepare();
        Ok(Some(Arc::new(firewall)))
    }

    /// Makes a counter for all that the rules in force may do.
    fn prepare(&self) {
        let rules = self.rules.read().clone();
        let named = rules
            .rules
            .iter()
            .map(|rule| (&*rule.name, outcome_name(rule)));
        self.metrics.prepare(named);
        self.metrics.set_stale(self.stale.lock().is_some());
    }

    /// Reads the file if it changed. A file that cannot be read changes nothing, and the log, the
    /// metrics and the health page say so once.
    pub(crate) fn reload(&self) {
        let RuleSource::File(file) = &self.source else {
            return;
        };
        let Some(read) = file.changed() else {
            return;
        };
        let rules = read
            .map_err(|why| unread(&why))
            .and_then(|text| parse(&self.source, &text));
        *self.stale.lock() = match rules {
            Ok(mut rules) => {
                let mut in_force = self.rules.write();
                rules.inherit(&in_force);
                tracing::info!(file = %self.source.name(), rules = rules.rules.len(), "the rules changed");
                *in_force = Arc::new(rules);
                None
            }
            Err(why) => {
                tracing::error!(
                    "the changed rules are not taken, the older ones stay in force: {why}"
                );
                Some(why)
            }
        };
        self.prepare();
    }

    /// Judges what a request's head shows.
    pub(crate) fn judge_head(&self, head: &RequestHead<'_>) -> Result<JudgedHead, Rejection> {
        let mut judged = JudgedHead {
            rules: self.rules.read().clone(),
            asked: Vec::new(),
            client: head.client,
            shares: Vec::new(),
        };
        if !request::is_exempt(head.path) {
            let rules = judged.rules.clone();
            let judgement = rules.judge(head, None, &mut judged.asked);
            self.settle(head, &judgement)?;
            judged.shares = judgement.shares;
        }
        Ok(judged)
    }

    /// Judges the body of a request whose head was judged.
    pub(crate) fn judge_body(
        &self,
        judged: &mut JudgedHead,
        head: &RequestHead<'_>,
        body: &Bytes,
    ) -> Result<(), Rejection> {
        if request::is_exempt(head.path) || !judged.rules.reads_body_of(head.path) {
            return Ok(());
        }
        let encoding = head.header(actix_web::http::header::CONTENT_ENCODING);
        // What cannot be inflated is refused soon after this, with a better reason.
        let inflated = body::inflate(body.clone(), encoding, self.max_inflated).unwrap_or_default();
        let body = BodyBytes {
            sent: body.len() as u64,
            inflated: &inflated,
        };
        let judgement = judged.rules.judge(head, Some(&body), &mut judged.asked);
        self.settle(head, &judgement)?;
        judged.shares.extend(judgement.shares);
        Ok(())
    }

    /// Counts and keeps what was found. Fails with the last one if it refuses the request.
    fn settle(&self, head: &RequestHead<'_>, judgement: &Judgement<'_>) -> Result<(), Rejection> {
        if judgement.is_cut {
            self.metrics.cut();
        }
        for finding in &judgement.found {
            let action = finding.outcome.name();
            self.metrics.hits(&finding.rule.name, action, 1);
            self.hits.push(RuleHit {
                at: self.clock.now(),
                rule: finding.rule.name.clone(),
                action,
                method: shown::path(head.method.as_str()),
                path: shown::path(head.path),
                address: head.client.and_then(|client| self.shown_address(client)),
                reason: finding.reason.clone(),
            });
        }
        let Some(last) = judgement.found.last() else {
            return Ok(());
        };
        let rule = last.rule.name.clone();
        match last.outcome {
            RuleOutcome::Counted | RuleOutcome::Sampled => Ok(()),
            RuleOutcome::Blocked => Err(Rejection::Ruled(rule)),
            RuleOutcome::Throttled(wait) => Err(Rejection::Throttled {
                rule,
                seconds: whole_seconds(wait),
            }),
        }
    }

    /// Counts clicks that a rule's share left out.
    pub(crate) fn left_out(&self, rule: &str, clicks: usize) {
        let action = RuleOutcome::Sampled.name();
        self.metrics.hits(rule, action, clicks as u64);
    }

    /// The network of an address, or nothing where no address is kept.
    fn shown_address(&self, client: IpAddr) -> Option<String> {
        match self.ip {
            IpPolicy::None => None,
            IpPolicy::Truncate | IpPolicy::Full => address::anonymize(client, IpPolicy::Truncate),
        }
    }

    /// What the rules did, and the newest hits.
    #[must_use]
    pub fn report(&self) -> FirewallReport {
        let rules = self.rules.read().clone();
        let counted = rules.rules.iter().map(|rule| {
            let action = outcome_name(rule);
            let hits = self.metrics.hits_of(&rule.name, action);
            (rule.name.clone(), action, hits)
        });
        FirewallReport {
            source: self.source.name(),
            stale: self.stale.lock().clone(),
            rules: counted.collect(),
            hits: self.hits.newest(),
        }
    }
}

/// What becomes of a request that a rule means.
fn outcome_name(rule: &FirewallRule) -> &'static str {
    let outcome = match rule.action {
        RuleAction::Count => RuleOutcome::Counted,
        RuleAction::Block if rule.rate.is_some() => RuleOutcome::Throttled(Duration::ZERO),
        RuleAction::Block => RuleOutcome::Blocked,
        RuleAction::Sample(_) => RuleOutcome::Sampled,
    };
    outcome.name()
}
