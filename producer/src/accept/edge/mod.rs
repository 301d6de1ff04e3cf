//! The edge itself: from a body to records of the topic, by whichever way the body came.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use topic::clock::SharedClock;
use topic::{Delivery, Draft, Envelope, Timestamp, Writer};

use super::body;
use super::identity::{self, ClickIdentity};
use super::rejection::Rejection;
use super::split::{self, BodyItem};
use super::text::BodyText;
use crate::address::{self, IpPolicy};
use crate::config::Config;

/// How much of a user agent is kept: a batch repeats it in every envelope.
const MAX_USER_AGENT_BYTES: usize = 1_024;

/// What is known of a body besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct EdgeFacts<'a> {
    /// The wire format of the clicks: `native`, `pixel`, …
    pub format: &'a str,
    /// Where the body came from: `http`, `import:FILE`, …
    pub source: &'a str,
    /// The client's whole address, before the policy is applied; `None` if it is not known.
    pub ip: Option<IpAddr>,
    /// The client's user agent; `None` if it sent none.
    pub user_agent: Option<&'a str>,
    /// The request's `Content-Encoding`; `None` if it has none.
    pub content_encoding: Option<&'a str>,
}

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
    /// True if what is not Unicode became U+FFFD.
    pub(crate) replaced: bool,
    pub(crate) visitor: Option<Cow<'a, str>>,
    pub(crate) click: &'a RawValue,
}

/// The way of a click from a body to the topic.
pub struct Edge {
    writer: Arc<dyn Writer>,
    clock: SharedClock,
    ip: IpPolicy,
    max_inflated: usize,
    max_click: usize,
    max_clicks: usize,
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
            max_inflated: bytes(config.max_inflated),
            max_click: bytes(config.max_click),
            max_clicks: config.max_clicks,
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
        let plain = body::inflate(body, facts.content_encoding, self.max_inflated)?;
        let text = BodyText::read(&plain)?;
        let items = split::split(&text, self.max_clicks)?;
        let received_at = self.clock.now();
        let (mut drafts, mut rejected) = (Vec::with_capacity(items.len()), Vec::new());
        let mut first_rejection = None;
        for (index, item) in items.iter().enumerate() {
            let click = match item {
                BodyItem::Click(click) => self.identify(click).map(|found| (found, *click)),
                BodyItem::Bad(_, rejection) => Err(rejection.clone()),
            };
            drafts.push(match click {
                Ok((found, click)) => {
                    let replaced = text.is_replaced(click.get());
                    self.click_draft(facts, received_at, found, (click, replaced))
                }
                Err(rejection) => {
                    let reason = rejection.to_string();
                    rejected.push(RejectedItem { index, reason });
                    first_rejection.get_or_insert(rejection);
                    self.dead_letter_draft(facts, received_at, &self.letter(item))
                }
            });
        }
        let clicks = drafts.len() - rejected.len();
        match first_rejection {
            Some(rejection) if clicks == 0 => Err(rejection),
            _ => Ok(PendingAppend {
                delivery: self.writer.append(drafts)?,
                clicks,
                rejected,
            }),
        }
    }

    /// Finds out which click it is, and whose.
    fn identify<'c>(&self, click: &'c RawValue) -> Result<ClickIdentity<'c>, Rejection> {
        if click.get().len() > self.max_click {
            return Err(Rejection::TooLarge {
                what: "a click",
                limit: format!("{} bytes", self.max_click),
            });
        }
        ClickIdentity::of(click).map_err(Rejection::malformed)
    }

    /// What a dead letter keeps of an item: all of it, or half of what a click may have, since a
    /// string's escapes may make it longer.
    fn letter<'i>(&self, item: &'i BodyItem<'_>) -> Cow<'i, RawValue> {
        let cut = |text: &'i str| &text[..text.floor_char_boundary(self.max_click / 2)];
        let text = match item {
            BodyItem::Bad(raw, _) if raw.get().len() <= self.max_click => {
                return Cow::Borrowed(raw.as_ref());
            }
            BodyItem::Bad(raw, _) => cut(raw.get()),
            BodyItem::Click(click) if click.get().len() > self.max_click => cut(click.get()),
            BodyItem::Click(click) => click.get(),
        };
        Cow::Owned(split::as_json_string(text))
    }

    fn click_draft(
        &self,
        facts: &EdgeFacts<'_>,
        received_at: Timestamp,
        found: ClickIdentity<'_>,
        (click, replaced): (&RawValue, bool),
    ) -> Draft {
        let id_generated = found.id.is_none();
        let id = found
            .id
            .unwrap_or_else(|| identity::generate_id(&*self.clock).to_string().into());
        let parts = ClickParts {
            id,
            id_generated,
            replaced,
            visitor: found.visitor,
            click,
        };
        self.draft(facts, received_at, parts)
    }

    /// The draft of an item that will become a dead letter.
    fn dead_letter_draft(
        &self,
        facts: &EdgeFacts<'_>,
        received_at: Timestamp,
        raw: &RawValue,
    ) -> Draft {
        let parts = ClickParts {
            id: identity::generate_id(&*self.clock).to_string().into(),
            id_generated: true,
            replaced: false,
            visitor: None,
            click: raw,
        };
        self.draft(facts, received_at, parts)
    }

    /// The draft of a click. Its key is the visitor, which keeps a visitor's clicks in
    /// order, or else the id.
    pub(crate) fn draft(
        &self,
        facts: &EdgeFacts<'_>,
        received_at: Timestamp,
        parts: ClickParts<'_>,
    ) -> Draft {
        let key = parts.visitor.as_deref().unwrap_or(&parts.id);
        let key = Bytes::copy_from_slice(key.as_bytes());
        let envelope = Envelope {
            v: topic::envelope::VERSION,
            id: parts.id,
            id_generated: parts.id_generated,
            replaced: parts.replaced || facts.user_agent.is_some_and(is_replaced),
            received_at: received_at.micros(),
            format: facts.format.into(),
            source: facts.source.into(),
            ip: facts
                .ip
                .and_then(|ip| address::anonymize(ip, self.ip))
                .map(Cow::Owned),
            user_agent: facts.user_agent.map(|agent| truncate(agent).into()),
            click: parts.click.get(),
        };
        Draft {
            key,
            value: envelope.encode(),
        }
    }

    /// The topic behind this edge.
    pub(crate) fn writer(&self) -> &dyn Writer {
        &*self.writer
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
