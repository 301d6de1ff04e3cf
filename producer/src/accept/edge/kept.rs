//! Which clicks are kept, whose they are then, and what is taken out of them.

use std::borrow::Cow;

use serde_json::value::RawValue;
use topic::Timestamp;

use super::facts::{EdgeFacts, LeftOut};
use crate::accept::fields::without;
use crate::accept::identity::ClickIdentity;
use crate::privacy::policy::PrivacyPolicy;
use crate::privacy::salts::SaltStore;
use crate::sample;

/// A click that is kept, as it is kept.
#[derive(Debug)]
pub(super) struct KeptClick<'c> {
    pub(super) click: Cow<'c, RawValue>,
    pub(super) shared: Option<Cow<'c, RawValue>>,
    /// `None` if nobody is to know.
    pub(super) visitor: Option<Cow<'c, str>>,
    pub(super) privacy: PrivacyPolicy,
    /// True if something was taken out.
    pub(super) redacted: bool,
    pub(super) sample_rate: Option<f64>,
}

/// How the owner wants clicks to be kept.
pub(super) struct KeepingPolicy {
    /// What becomes of a click that says its visitor refused to be counted.
    pub(super) consent: PrivacyPolicy,
    pub(super) salts: SaltStore,
}

impl KeepingPolicy {
    /// Decides whether a click is kept, and how. What tells whose it is has the paths `personal`,
    /// in the click and in what its body shares.
    pub(super) fn keep<'c>(
        &self,
        facts: &EdgeFacts<'_>,
        now: Timestamp,
        found: &mut ClickIdentity<'c>,
        (click, shared): (&'c RawValue, Option<&'c RawValue>),
        personal: &[&str],
    ) -> Result<KeptClick<'c>, LeftOut> {
        let privacy = self.policy(facts, found);
        let named = found.visitor.take();
        let visitor = match privacy {
            PrivacyPolicy::Drop => return Err(LeftOut::ByPolicy),
            PrivacyPolicy::Ignore => named,
            PrivacyPolicy::Cookieless => self.visitor(facts, now).map(Cow::Owned),
            PrivacyPolicy::Anonymous => None,
        };
        let sample_rate = sample::draw(&facts.shares, click, visitor.as_deref(), facts.ip)
            .map_err(LeftOut::ByShare)?;
        let kept = |part: &'c RawValue| match privacy {
            PrivacyPolicy::Ignore => Cow::Borrowed(part),
            _ => without(part, personal),
        };
        let (click, shared) = (kept(click), shared.map(kept));
        let is_cut = |part: &Cow<'_, RawValue>| matches!(part, Cow::Owned(_));
        let redacted = privacy == PrivacyPolicy::Anonymous
            || is_cut(&click)
            || shared.as_ref().is_some_and(is_cut);
        Ok(KeptClick {
            click,
            shared: shared.filter(|shared| shared.get() != "{}"),
            visitor,
            privacy,
            redacted,
            sample_rate,
        })
    }

    fn policy(&self, facts: &EdgeFacts<'_>, found: &ClickIdentity<'_>) -> PrivacyPolicy {
        let by_consent = match found.is_refused {
            true => self.consent,
            false => PrivacyPolicy::Ignore,
        };
        let by_client = match found.is_cookieless {
            true => PrivacyPolicy::Cookieless,
            false => PrivacyPolicy::Ignore,
        };
        facts.privacy.max(by_consent).max(by_client)
    }

    /// The visitor of the day; `None` if the address is not known.
    fn visitor(&self, facts: &EdgeFacts<'_>, now: Timestamp) -> Option<String> {
        let agent = facts.user_agent.unwrap_or_default();
        Some(self.salts.visitor(now, facts.ip?, agent))
    }
}
