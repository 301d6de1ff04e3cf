//! The edge itself: from a body to records of the topic, by whichever way the body came.

mod facts;
mod kept;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use topic::clock::SharedClock;
use topic::{AppendError, Delivery, Draft, Envelope, Timestamp, Writer};

use super::body;
use super::format::{Native, WireFormat};
use super::identity::{self, ClickIdentity};
use super::rejection::Rejection;
use super::split::{self, BodyItem};
use super::text::BodyText;
use crate::address::{self, IpPolicy};
use crate::config::Config;
use crate::privacy::policy::PrivacyPolicy;
use crate::privacy::salts::SaltStore;
use crate::secrets::{AddressCleaner, ClickTexts};
use kept::{KeepingPolicy, KeptClick};

pub use facts::{EdgeFacts, LeftOutClicks};

/// How much of a user agent is kept: a batch repeats it in every envelope.
const MAX_USER_AGENT_BYTES: usize = 1_024;

/// A body on its way into the topic. Its clicks are acknowledged once `delivery` resolves
/// without an error.
#[derive(Debug)]
pub struct PendingAppend {
    /// The topic's answer.
    pub delivery: Delivery,
    /// The number of clicks in the body.
    pub clicks: usize,
    /// The other items of the body. They go to the topic too and become dead letters.
    pub rejected: Vec<RejectedItem>,
    /// The clicks that the owner does not want to keep. They are not in the topic.
    pub left_out: LeftOutClicks,
}

/// An item of a batch that is not a click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedItem {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why it is not a click.
    pub reason: String,
}

/// The parts of an envelope that differ from click to click.
pub(crate) struct ClickParts<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) id_generated: bool,
    /// `None` if the click is one record.
    pub(crate) item: Option<u32>,
    pub(crate) retried: bool,
    /// True if what is not Unicode became U+FFFD.
    pub(crate) replaced: bool,
    /// True if something was taken out of the click.
    pub(crate) redacted: bool,
    pub(crate) sample_rate: Option<f64>,
    pub(crate) visitor: Option<Cow<'a, str>>,
    /// How the click is kept.
    pub(crate) privacy: PrivacyPolicy,
    /// What the body said once for all its clicks.
    pub(crate) shared: Option<&'a RawValue>,
    pub(crate) click: &'a RawValue,
}

impl<'a> ClickParts<'a> {
    /// A click that is one record and names no visitor.
    pub(crate) fn new(id: impl Into<Cow<'a, str>>, click: &'a RawValue) -> Self {
        Self {
            id: id.into(),
            id_generated: false,
            item: None,
            retried: false,
            replaced: false,
            redacted: false,
            sample_rate: None,
            visitor: None,
            privacy: PrivacyPolicy::Ignore,
            shared: None,
            click,
        }
    }
}

/// What the clicks of one body have in common.
struct BodyFacts<'a> {
    facts: &'a EdgeFacts<'a>,
    received_at: Timestamp,
    shared: Option<&'a RawValue>,
}

/// How many bytes the parts of a body have become that are in several records: each item's record
/// holds the whole click, and each click's what all of them share.
struct Expansion {
    bytes: usize,
    limit: usize,
}

impl Expansion {
    fn up_to(limit: usize) -> Self {
        Self { bytes: 0, limit }
    }

    fn add(
        &mut self,
        items: usize,
        click_bytes: usize,
        shared: Option<&RawValue>,
    ) -> Result<(), Rejection> {
        let repeated = if items > 1 { click_bytes } else { 0 };
        let bytes = repeated + shared.map_or(0, |shared| shared.get().len());
        self.bytes = self
            .bytes
            .saturating_add(bytes.saturating_mul(items.max(1)));
        match self.bytes > self.limit {
            true => Err(Rejection::TooLarge {
                what: "the number of records times the size of what they share",
                limit: format!("{} bytes", self.limit),
            }),
            false => Ok(()),
        }
    }
}

/// The way of a click from a body to the topic.
pub struct Edge {
    writer: Arc<dyn Writer>,
    clock: SharedClock,
    ip: IpPolicy,
    cleaner: AddressCleaner,
    max_inflated: usize,
    max_click: usize,
    max_clicks: usize,
    keeping: KeepingPolicy,
}

impl Edge {
    /// Makes an edge with the limits and the address policy of `config`.
    #[must_use]
    pub fn new(config: &Config, writer: Arc<dyn Writer>, clock: SharedClock) -> Self {
        let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        Self {
            writer,
            clock,
            ip: config.ip,
            cleaner: AddressCleaner::of(&config.strip_query),
            max_inflated: bytes(config.max_inflated),
            max_click: bytes(config.max_click),
            max_clicks: config.max_clicks,
            keeping: KeepingPolicy {
                consent: config.consent,
                salts: SaltStore::new(config.salts.clone()),
            },
        }
    }

    /// Appends a body of native clicks to the topic: one object, an array, or one object
    /// per line, plain or compressed. An item that is no click costs itself and nothing else.
    /// The caller answers 2xx only after the delivery resolves.
    ///
    /// # Errors
    /// Each [`Rejection`] says its status and what the client can do. Nothing of a refused
    /// body is in the topic; one without any click is refused for its first item's reason.
    pub fn accept(&self, facts: &EdgeFacts<'_>, body: Bytes) -> Result<PendingAppend, Rejection> {
        self.accept_as(&Native, facts, body)
    }

    /// The same for a body of any wire format.
    pub(crate) fn accept_as(
        &self,
        format: &dyn WireFormat,
        facts: &EdgeFacts<'_>,
        body: Bytes,
    ) -> Result<PendingAppend, Rejection> {
        let plain = body::inflate(body, facts.content_encoding, self.max_inflated)?;
        let plain = format.to_json(plain, self.max_inflated)?;
        let text = BodyText::read(&plain)?;
        let split = format.split(&text, self.max_clicks)?;
        let (mut drafts, mut rejected) = (Vec::with_capacity(split.items.len()), Vec::new());
        let (mut first_rejection, mut left_out) = (None, LeftOutClicks::default());
        let mut expansion = Expansion::up_to(self.max_inflated);
        let body = BodyFacts {
            facts,
            received_at: self.clock.now(),
            shared: split.shared.as_deref(),
        };
        for (index, item) in split.items.iter().enumerate() {
            let click = match item {
                BodyItem::Click(click) => {
                    let found = self.identify(format, index, click);
                    found.map(|found| (found, &**click))
                }
                BodyItem::Bad(_, rejection) => Err(rejection.clone()),
            };
            match click {
                Ok((mut found, click)) => {
                    expansion.add(found.items, click.get().len(), body.shared)?;
                    let named = || split.visitor.as_deref().map(Cow::Borrowed);
                    found.visitor = found.visitor.or_else(named);
                    let replaced = text.is_replaced(click.get());
                    let parts = (click, body.shared);
                    let now = body.received_at;
                    match (self.keeping).keep(facts, now, &mut found, parts, format.personal()) {
                        Ok(kept) => {
                            self.click_drafts(&body, &found, (&kept, replaced), &mut drafts);
                        }
                        Err(reason) => left_out.add(reason),
                    }
                }
                Err(rejection) => {
                    let reason = rejection.to_string();
                    rejected.push(RejectedItem { index, reason });
                    first_rejection.get_or_insert(rejection);
                    // What cannot be read cannot be made anonymous.
                    if facts.privacy == PrivacyPolicy::Ignore {
                        drafts.push(self.dead_letter_draft(&body, item));
                    }
                }
            }
        }
        match first_rejection {
            Some(rejection) if rejected.len() == split.items.len() => Err(rejection),
            _ => Ok(PendingAppend {
                clicks: split.items.len() - rejected.len() - left_out.count(),
                delivery: self.append(drafts)?,
                rejected,
                left_out,
            }),
        }
    }

    /// Finds the key that a client wrote into its body; `None` if there is none.
    pub(crate) fn key_in(
        &self,
        format: &dyn WireFormat,
        content_encoding: Option<&str>,
        body: Bytes,
    ) -> Option<String> {
        let plain = body::inflate(body, content_encoding, self.max_inflated).ok()?;
        format.key(plain, self.max_inflated)
    }

    fn append(&self, drafts: Vec<Draft>) -> Result<Delivery, AppendError> {
        if !drafts.is_empty() {
            return self.writer.append(drafts);
        }
        let (settle, delivery) = Delivery::channel();
        // The delivery itself is the receiver.
        let _ = settle.send(Ok(Vec::new()));
        Ok(delivery)
    }

    /// Finds out which click it is, and whose.
    fn identify<'c>(
        &self,
        format: &dyn WireFormat,
        index: usize,
        click: &'c RawValue,
    ) -> Result<ClickIdentity<'c>, Rejection> {
        if click.get().len() > self.max_click {
            return Err(Rejection::TooLarge {
                what: "a click",
                limit: format!("{} bytes", self.max_click),
            });
        }
        let found = format.identify(index, click);
        found.map_err(Rejection::malformed)
    }

    /// What a dead letter keeps of an item: all of it, or half of what a click may have, since a
    /// string's escapes may make it longer. Returns true with it if a secret was taken out before
    /// it was cut, which would hide what it is.
    fn letter<'i>(&self, item: &'i BodyItem<'_>) -> (Cow<'i, RawValue>, bool) {
        let (text, is_cut) = match item {
            BodyItem::Bad(raw, _) if raw.get().len() <= self.max_click => {
                return (Cow::Borrowed(raw.as_ref()), false);
            }
            BodyItem::Bad(raw, _) => (raw.get(), true),
            BodyItem::Click(click) => (click.get(), click.get().len() > self.max_click),
        };
        if !is_cut {
            return (Cow::Owned(split::as_json_string(text)), false);
        }
        let cleaned = self.cleaner.clean(text);
        let kept = &cleaned[..cleaned.floor_char_boundary(self.max_click / 2)];
        let is_redacted = matches!(cleaned, Cow::Owned(_));
        (Cow::Owned(split::as_json_string(kept)), is_redacted)
    }

    /// Adds the records of a click: one, or one for each of its items.
    fn click_drafts(
        &self,
        body: &BodyFacts<'_>,
        found: &ClickIdentity<'_>,
        (kept, replaced): (&KeptClick<'_>, bool),
        drafts: &mut Vec<Draft>,
    ) {
        let id_generated = found.id.is_none();
        let id = match &found.id {
            Some(id) => Cow::Borrowed(&**id),
            None => identity::generate_id(&*self.clock).to_string().into(),
        };
        let mut add = |item| {
            let parts = ClickParts {
                id_generated,
                item,
                retried: found.retried,
                replaced,
                redacted: kept.redacted,
                sample_rate: kept.sample_rate,
                visitor: kept.visitor.as_deref().map(Cow::Borrowed),
                privacy: kept.privacy,
                shared: kept.shared.as_deref(),
                ..ClickParts::new(&*id, &kept.click)
            };
            drafts.push(self.draft(body.facts, body.received_at, parts));
        };
        match u32::try_from(found.items).unwrap_or(u32::MAX) {
            0 => add(None),
            items => (0..items).for_each(|item| add(Some(item))),
        }
    }

    /// The draft of an item that will become a dead letter.
    fn dead_letter_draft(&self, body: &BodyFacts<'_>, item: &BodyItem<'_>) -> Draft {
        let (raw, redacted) = self.letter(item);
        let parts = ClickParts {
            id_generated: true,
            redacted,
            ..ClickParts::new(identity::generate_id(&*self.clock).to_string(), &raw)
        };
        self.draft(body.facts, body.received_at, parts)
    }

    /// The draft of a click. Its key is the visitor, which keeps a visitor's clicks in
    /// order, or else the id.
    pub(crate) fn draft(
        &self,
        facts: &EdgeFacts<'_>,
        received_at: Timestamp,
        parts: ClickParts<'_>,
    ) -> Draft {
        let is_anonymous = parts.privacy == PrivacyPolicy::Anonymous;
        let request = facts.request.as_deref();
        // Cookies and hints would tell a visitor from others whom nobody is to know.
        let request = request.filter(|_| parts.privacy == PrivacyPolicy::Ignore);
        let address = facts.ip.filter(|_| !is_anonymous);
        let mut texts = ClickTexts {
            id: parts.id,
            visitor: parts.visitor,
            user_agent: facts.user_agent.map(Cow::Borrowed),
            request: request.map(Cow::Borrowed),
            shared: parts.shared.map(|shared| shared.get().into()),
            click: parts.click.get().into(),
        };
        let is_cleaned = texts.clean(&self.cleaner);
        let visitor = texts.visitor.as_deref().filter(|name| !name.is_empty());
        let key = Bytes::copy_from_slice(visitor.unwrap_or(&texts.id).as_bytes());
        let envelope = Envelope {
            v: topic::envelope::VERSION,
            id: texts.id,
            id_generated: parts.id_generated,
            item: parts.item,
            retried: parts.retried,
            replaced: parts.replaced || facts.user_agent.is_some_and(is_replaced),
            redacted: is_cleaned || parts.redacted || facts.redacted,
            sample_rate: parts.sample_rate,
            received_at: received_at.micros(),
            format: facts.format.into(),
            source: facts.source.into(),
            ip: address
                .and_then(|ip| address::anonymize(ip, self.ip))
                .map(Cow::Owned),
            user_agent: texts
                .user_agent
                .as_deref()
                .map(|agent| truncate(agent).into()),
            request: texts.request.as_deref(),
            visitor: match parts.privacy {
                PrivacyPolicy::Cookieless => texts.visitor,
                _ => None,
            },
            shared: texts.shared.as_deref(),
            click: &texts.click,
        };
        Draft {
            key,
            value: envelope.encode(),
        }
    }

    /// Fails if a click of so many items and bytes becomes more records than a body may.
    pub(crate) fn expand(&self, items: usize, click_bytes: usize) -> Result<(), Rejection> {
        Expansion::up_to(self.max_inflated).add(items, click_bytes, None)
    }

    /// What takes the secrets out of addresses.
    pub(crate) fn cleaner(&self) -> &AddressCleaner {
        &self.cleaner
    }

    /// The topic behind this edge.
    pub(crate) fn writer(&self) -> &dyn Writer {
        &*self.writer
    }

    /// What this edge keeps of a client's address.
    pub(crate) fn ip_policy(&self) -> IpPolicy {
        self.ip
    }

    /// Removes the salts of cookieless visitors that are over.
    pub(crate) fn sweep_salts(&self) {
        self.keeping.salts.sweep(self.clock.now());
    }

    /// The wall clock of this edge.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

/// Returns true if the text shows that something in it was not Unicode.
fn is_replaced(agent: &str) -> bool {
    agent.contains(char::REPLACEMENT_CHARACTER)
}

fn truncate(agent: &str) -> &str {
    &agent[..agent.floor_char_boundary(MAX_USER_AGENT_BYTES)]
}

#[cfg(test)]
mod tests;
