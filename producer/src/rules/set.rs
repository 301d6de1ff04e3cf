//! The rules in force, asked in order.

use std::cell::OnceCell;
use std::time::Duration;

use super::file::RuleList;
use super::patterns::{self, LookedText, PatternFamily};
use super::request::RequestHead;
use super::rule::{FirewallRule, PatternTest, RuleAction};
use super::shown;
use super::texts::{self, RequestText, TextBudget, TextPart};
use super::time::{LookTime, windows};
use crate::sample::ClickShare;

/// What became of a request that a rule meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RuleOutcome {
    Counted,
    Blocked,
    /// It may come again after so long.
    Throttled(Duration),
    /// A share of its clicks is kept.
    Sampled,
}

impl RuleOutcome {
    /// The outcome as metrics and pages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Blocked => "blocked",
            Self::Throttled(_) => "throttled",
            Self::Sampled => "sampled",
        }
    }
}

/// A rule that meant a request.
pub(super) struct RuleFinding<'s> {
    pub(super) rule: &'s FirewallRule,
    pub(super) outcome: RuleOutcome,
    pub(super) reason: String,
}

/// What the rules say of a request.
pub(super) struct Judgement<'s> {
    /// The rules that meant it, up to the one that refused it.
    pub(super) found: Vec<RuleFinding<'s>>,
    /// True if there was more text than is looked at.
    pub(super) is_cut: bool,
    /// The shares of its clicks that are kept.
    pub(super) shares: Vec<ClickShare>,
}

/// A body that came.
pub(super) struct BodyBytes<'b> {
    /// As its client compressed it, in bytes.
    pub(super) sent: u64,
    pub(super) inflated: &'b [u8],
}

/// The rules of a file.
#[derive(Debug)]
pub(crate) struct RuleSet {
    pub(super) rules: Vec<FirewallRule>,
    inspect: usize,
}

impl RuleSet {
    pub(super) fn new(list: RuleList) -> Self {
        let all = list.rules.iter().filter_map(|rule| rule.patterns.as_ref());
        all.flat_map(|test| &test.families)
            .for_each(|family| family.warm());
        Self {
            rules: list.rules,
            inspect: list.inspect,
        }
    }

    /// Takes over the counts of the rates that `before` has under the same name.
    pub(super) fn inherit(&mut self, before: &Self) {
        for rule in &mut self.rules {
            let same = before.rules.iter().find(|other| other.name == rule.name);
            if let (Some(rate), Some(old)) =
                (&mut rule.rate, same.and_then(|old| old.rate.as_ref()))
                && rate.is_same(old)
            {
                *rate = old.clone();
            }
        }
    }

    /// Returns true if a rule may mean requests to this path for their bodies' sake.
    pub(super) fn reads_body_of(&self, path: &str) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.reads_bodies() && rule.path.holds(path))
    }

    /// Asks the rules that `asked` does not hold: without a body about the head, with a body about
    /// that. Those that meant the request are added to `asked`, so that none means it twice.
    pub(super) fn judge(
        &self,
        head: &RequestHead<'_>,
        body: Option<&BodyBytes<'_>>,
        asked: &mut Vec<usize>,
    ) -> Judgement<'_> {
        let mut reasons = Vec::new();
        let open: Vec<usize> = (0..self.rules.len())
            .filter(|at| !asked.contains(at))
            .filter(|at| body.is_none() || self.rules[*at].reads_bodies())
            .filter(|at| self.rules[*at].holds_before_texts(head))
            .filter(|at| holds_size(&self.rules[*at], head, body))
            .collect();
        let is_cut = self.look(head, body, &open, &mut reasons);
        let (mut found, mut shares) = (Vec::new(), Vec::new());
        for at in open {
            let rule = &self.rules[at];
            let reason = reasons
                .iter()
                .find(|(of, _)| *of == at)
                .map(|(_, reason)| reason);
            if rule.patterns.is_some() && reason.is_none() {
                continue;
            }
            let Some(outcome) = outcome(rule, head) else {
                continue;
            };
            asked.push(at);
            if let RuleAction::Sample(share) = &rule.action {
                shares.push(share.clone());
                continue;
            }
            let reason = reason.cloned().unwrap_or_else(|| rule.reason(head));
            let ends = outcome != RuleOutcome::Counted;
            found.push(RuleFinding {
                rule,
                outcome,
                reason,
            });
            if ends {
                break;
            }
        }
        Judgement {
            found,
            is_cut,
            shares,
        }
    }

    /// Looks at each text once for all rules, and notes the reason of each rule whose patterns are
    /// found. Returns true if there was more text than is looked at.
    fn look(
        &self,
        head: &RequestHead<'_>,
        body: Option<&BodyBytes<'_>>,
        open: &[usize],
        reasons: &mut Vec<(usize, String)>,
    ) -> bool {
        let tests = open
            .iter()
            .filter_map(|at| Some((*at, self.rules[*at].patterns.as_ref()?)));
        let tests: Vec<(usize, &PatternTest)> = tests.collect();
        if tests.is_empty() {
            return false;
        }
        let (mut budget, mut time) = (TextBudget::new(self.inspect), LookTime::start());
        let mut look = |text: RequestText<'_>| {
            for window in windows(&text.text) {
                if time.is_over(window.len()) {
                    return true;
                }
                let looked = OnceCell::new();
                for (at, test) in &tests {
                    let is_known = reasons.iter().any(|(of, _)| of == at);
                    if is_known || !test.means(&text) {
                        continue;
                    }
                    let looked = looked.get_or_init(|| LookedText::of(window));
                    if let Some(reason) = reason(looked, &test.families, &text) {
                        reasons.push((*at, reason));
                    }
                }
            }
            reasons.len() == tests.len()
        };
        match body {
            None => {
                let wanted =
                    |part: &TextPart| tests.iter().any(|(_, test)| test.parts.contains(part));
                let parts: Vec<_> = TextPart::ALL.into_iter().filter(wanted).collect();
                texts::of_head(head, &parts, &mut budget, &mut look);
            }
            Some(body) => {
                texts::of_body(body.inflated, &mut budget, &mut look);
            }
        }
        budget.is_cut || time.is_over
    }
}

/// Returns true if the rule asks for no size, or if the body is over it as far as it is known.
fn holds_size(rule: &FirewallRule, head: &RequestHead<'_>, body: Option<&BodyBytes<'_>>) -> bool {
    let size = body.map(|body| body.sent).or_else(|| head.body_bytes());
    rule.max_body
        .is_none_or(|most| size.is_some_and(|size| size > most))
}

/// Why a text is an attack; `None` if it is none.
fn reason(
    looked: &LookedText<'_>,
    families: &[PatternFamily],
    text: &RequestText<'_>,
) -> Option<String> {
    let hit = patterns::find(families, looked)?;
    let (part, name) = (text.part.name(), shown::name(text.name));
    let excerpt = shown::text(text.name, &hit.excerpt);
    let family = hit.family.name();
    Some(format!(
        "{family}: {} in the {part}{name}: {excerpt}",
        hit.pattern
    ))
}

/// What becomes of a request that a rule means; `None` if it goes on as if there were no rule.
fn outcome(rule: &FirewallRule, head: &RequestHead<'_>) -> Option<RuleOutcome> {
    let mut wait = None;
    if let Some(rate) = &rule.rate {
        // A browser asks once for many clicks, and a page can do nothing about a refusal.
        if head.is_preflight() {
            return None;
        }
        wait = Some(rate.take(head.client?).err()?);
    }
    Some(match rule.action {
        RuleAction::Count => RuleOutcome::Counted,
        RuleAction::Block => wait.map_or(RuleOutcome::Blocked, RuleOutcome::Throttled),
        RuleAction::Sample(_) => RuleOutcome::Sampled,
    })
}
