//! The edge itself: from a body to drafts in the topic, whatever brought the body.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use topic::clock::SharedClock;
use topic::{Delivery, Draft, Envelope, Timestamp, Writer};

use super::split::Item;
use super::{body, identity, split};
use crate::address::IpPolicy;
use crate::{Config, Rejection, address};

/// How much of a user agent is kept, in bytes: a batch repeats it in every envelope.
const MAX_USER_AGENT: usize = 1_024;

/// What is known of a body besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct EdgeFacts<'a> {
    /// Whose wire format the clicks are in: `native`, `pixel`, …
    pub format: &'a str,
    /// Where the body came in: `http`, `import:FILE`, …
    pub source: &'a str,
    /// The client's whole address; the policy is applied here.
    pub ip: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<&'a str>,
    /// The request's `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
}

/// A body that was taken: durable once `delivery` resolves without an error.
#[derive(Debug)]
pub struct Accepted {
    /// The topic's answer, on its way.
    pub delivery: Delivery,
    /// How many clicks the body held.
    pub accepted: usize,
    /// What else it held, which went to the topic too, to become dead letters.
    pub rejected: Vec<Refused>,
}

/// An item of a batch that is no click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why it is none.
    pub reason: String,
}

/// One click on its way into an envelope.
pub(crate) struct Parcel<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) id_generated: bool,
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
    /// An edge with the limits and the policy of `config`.
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

    /// Takes a body of native clicks: one object, an array, or one object per line,
    /// plain or compressed. The caller answers 2xx only after the delivery resolves.
    ///
    /// # Errors
    /// Each [`Rejection`] tells its status and what the client may do. Nothing of a
    /// body that was refused is in the topic.
    pub fn accept(&self, facts: &EdgeFacts<'_>, body: Bytes) -> Result<Accepted, Rejection> {
        let plain = body::inflate(body, facts.content_encoding, self.max_inflated)?;
        let (text, mark) = body::text(&plain)?;
        let items = split::split(text, mark, self.max_clicks)?;
        let alone = items.len() == 1;
        let received_at = self.clock.now();
        let mut drafts = Vec::with_capacity(items.len());
        let mut rejected = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item {
                Item::Click(click) => {
                    self.measure(click)?;
                    match identity::of(click) {
                        Ok(found) => drafts.push(self.draft(facts, received_at, found, click)),
                        Err(reason) if alone => return Err(Rejection::malformed(reason)),
                        Err(reason) => {
                            let letter = split::as_text(click.get());
                            drafts.push(self.letter(facts, received_at, &letter));
                            rejected.push(Refused { index, reason });
                        }
                    }
                }
                Item::Bad(raw, reason) => {
                    self.measure(raw)?;
                    drafts.push(self.letter(facts, received_at, raw));
                    rejected.push(Refused {
                        index,
                        reason: reason.clone(),
                    });
                }
            }
        }
        let accepted = drafts.len() - rejected.len();
        Ok(Accepted {
            delivery: self.writer.append(drafts)?,
            accepted,
            rejected,
        })
    }

    fn measure(&self, item: &RawValue) -> Result<(), Rejection> {
        match item.get().len() > self.max_click {
            true => Err(Rejection::TooLarge {
                what: "a click",
                limit: format!("{} bytes", self.max_click),
            }),
            false => Ok(()),
        }
    }

    fn draft(
        &self,
        facts: &EdgeFacts<'_>,
        received_at: Timestamp,
        found: identity::Identity<'_>,
        click: &RawValue,
    ) -> Draft {
        let id_generated = found.id.is_none();
        let id = found
            .id
            .unwrap_or_else(|| identity::made(&*self.clock).to_string().into());
        let parcel = Parcel {
            id,
            id_generated,
            visitor: found.visitor,
            click,
        };
        self.wrap(facts, received_at, parcel)
    }

    /// The envelope of an item that will become a dead letter.
    fn letter(&self, facts: &EdgeFacts<'_>, received_at: Timestamp, raw: &RawValue) -> Draft {
        let id = identity::made(&*self.clock).to_string().into();
        self.wrap(
            facts,
            received_at,
            Parcel {
                id,
                id_generated: true,
                visitor: None,
                click: raw,
            },
        )
    }

    /// The draft of a click: its key keeps a visitor's clicks in order.
    pub(crate) fn wrap(
        &self,
        facts: &EdgeFacts<'_>,
        received_at: Timestamp,
        parcel: Parcel<'_>,
    ) -> Draft {
        let key = parcel.visitor.as_deref().unwrap_or(&parcel.id);
        let key = Bytes::copy_from_slice(key.as_bytes());
        let envelope = Envelope {
            v: topic::envelope::VERSION,
            id: parcel.id,
            id_generated: parcel.id_generated,
            received_at: received_at.micros(),
            format: facts.format.into(),
            source: facts.source.into(),
            ip: facts
                .ip
                .and_then(|ip| address::kept(ip, self.ip))
                .map(Cow::Owned),
            user_agent: facts.user_agent.map(|agent| clipped(agent).into()),
            click: parcel.click.get(),
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

fn clipped(agent: &str) -> &str {
    &agent[..agent.floor_char_boundary(MAX_USER_AGENT)]
}

#[cfg(test)]
mod tests;
