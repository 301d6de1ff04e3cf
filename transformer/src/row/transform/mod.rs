//! A record becomes a row, or it has a defect. Pure: no clock, no chance, no state.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::IgnoredAny;
use sink::{Reason, Row, row_identity};
use topic::{Envelope, MAX_ID_BYTES, Partition, Record, Timestamp, Unit, id_key, id_text};

use crate::enrichment::Enrichment;
use crate::row::address::Address;
use crate::row::agent::Agent;
use crate::row::channel::Visit;
use crate::row::defect::Defect;
use crate::row::format;
use crate::row::moment;
use crate::row::native::{NativeClick, Scalar};
use crate::row::value::{Texts, number, whole, wrong_type};

/// The first moment that a click may have occurred at: 2000-01-01.
const EARLIEST: Timestamp = Timestamp::from_millis(946_684_800_000);
/// How far after its receipt a click may say that it occurred: an hour.
const AHEAD_MICROS: i64 = Unit::Hour.micros();

/// Makes a row of a record.
///
/// # Errors
/// A [`Defect`], also if the transform itself panics: that offset alone becomes a dead
/// letter.
pub fn transform<'r>(
    partition: Partition,
    record: &'r Record,
    enrichment: &Enrichment,
) -> Result<Row<'r>, Defect> {
    read(partition, record, enrichment).row
}

/// What a record turned out to be.
pub(crate) struct Read<'r> {
    /// The row's identity and the content that twins are compared by; `None` without an id.
    pub(crate) event: Option<([u8; 16], &'r [u8])>,
    /// True if the client says that it sends this click again.
    pub(crate) retried: bool,
    pub(crate) row: Result<Row<'r>, Defect>,
}

/// Reads a record.
pub(crate) fn read<'r>(
    partition: Partition,
    record: &'r Record,
    enrichment: &Enrichment,
) -> Read<'r> {
    let value = record.value.as_deref().unwrap_or_default();
    let by = |decode: Decode<'r>| {
        let opened = match open(record, decode) {
            Ok(opened) => opened,
            Err(defect) => {
                let item = defect.item.map(i64::from);
                let id = defect.event_id.as_deref();
                return Read {
                    event: id.map(|id| (row_identity(id_key(id), item), value)),
                    retried: false,
                    row: Err(defect),
                };
            }
        };
        Read {
            event: Some((opened.identity(), opened.envelope.click.as_bytes())),
            retried: opened.envelope.retried,
            row: row(partition, record, &opened, enrichment),
        }
    };
    let read = by(Envelope::decode);
    match &read.row {
        // It began as ours do and went on otherwise: torn, or with fields behind the click.
        Err(defect) if defect.reason == Reason::NotAnEnvelope => by(Envelope::parse),
        _ => read,
    }
}

/// A way of reading an envelope.
type Decode<'r> = fn(&'r [u8]) -> Result<Envelope<'r>, serde_json::Error>;

/// A record's envelope, and its event's id as the lake keeps it.
struct Opened<'r> {
    envelope: Envelope<'r>,
    event_id: Cow<'r, str>,
}

impl Opened<'_> {
    fn identity(&self) -> [u8; 16] {
        let item = self.envelope.item.map(i64::from);
        row_identity(id_key(&self.event_id), item)
    }
}

/// Reads the record's envelope.
fn open<'r>(record: &'r Record, decode: Decode<'r>) -> Result<Opened<'r>, Defect> {
    let value = record
        .value
        .as_deref()
        .ok_or_else(|| Defect::new(Reason::NoValue, "the record has no value"))?;
    let envelope = decode(value)
        .map_err(|error| Defect::new(Reason::NotAnEnvelope, foreign(value, &error)))?;
    let event_id = id_text(envelope.id.clone());
    if envelope.v > topic::envelope::VERSION {
        let detail = format!("envelope version {}", envelope.v);
        return Err(Defect {
            event_id: Some(event_id.into_owned()),
            item: envelope.item,
            ..Defect::new(Reason::UnknownVersion, detail)
        });
    }
    Ok(Opened { envelope, event_id })
}

/// Says what a value is that is no envelope, and what to do if others write the topic.
fn foreign(value: &[u8], error: &serde_json::Error) -> String {
    let is_object = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(value).is_ok();
    match is_object {
        true => format!(
            "{error}; if others write this topic, topic.format = \"json\" reads plain objects"
        ),
        false => format!("the value is not a JSON object: {error}"),
    }
}

/// Makes a row of an open envelope.
fn row<'r>(
    partition: Partition,
    record: &'r Record,
    opened: &Opened<'r>,
    enrichment: &Enrichment,
) -> Result<Row<'r>, Defect> {
    isolated(|| build(partition, record, opened, enrichment)).map_err(|defect| Defect {
        event_id: Some(opened.event_id.to_string()),
        item: opened.envelope.item,
        ..defect
    })
}

/// A panic is a defect of the click that caused it.
fn isolated<'r>(build: impl FnOnce() -> Result<Row<'r>, Defect>) -> Result<Row<'r>, Defect> {
    let made = catch_unwind(AssertUnwindSafe(build));
    made.unwrap_or_else(|_| {
        Err(Defect::new(
            Reason::Panic,
            "the transform panicked on this click",
        ))
    })
}

fn build<'r>(
    partition: Partition,
    record: &'r Record,
    opened: &Opened<'r>,
    enrichment: &Enrichment,
) -> Result<Row<'r>, Defect> {
    let envelope = &opened.envelope;
    let id_bytes = opened.event_id.len();
    if id_bytes > MAX_ID_BYTES {
        return Err(Defect::new(
            Reason::BadId,
            format!("id: {id_bytes} bytes, and an id has at most {MAX_ID_BYTES}"),
        ));
    }
    let mut click = click(envelope, enrichment)?;
    let texts = Texts {
        click: envelope.click,
    };
    let text = |name, value| texts.text(name, value);
    let received_at = Timestamp::from_micros(envelope.received_at);
    let given = moment(click.occurred_at, received_at)?;
    let user_agent = text("user_agent", click.user_agent)?.or_else(|| envelope.user_agent.clone());
    let agent = agent(envelope, user_agent.as_deref(), enrichment);
    let address = Address::of(text("url", click.url)?, &mut click.properties);
    let [source, medium, campaign, term, content] = address.campaign.texts;
    let utm_source = text("utm_source", click.utm_source)?.or(source);
    let utm_medium = text("utm_medium", click.utm_medium)?.or(medium);
    let referrer = text("referrer", click.referrer)?;
    let (click_id_kind, click_id) = address.campaign.click_id.unzip();
    // What says nothing of a page came from nowhere: a server sent it.
    let is_of_page = address.text.is_some() || referrer.is_some() || utm_source.is_some();
    let visit = Visit {
        own_host: address.host.as_deref(),
        referrer: referrer.as_deref(),
        utm_source: utm_source.as_deref(),
        utm_medium: utm_medium.as_deref(),
        click_id: click_id_kind,
        ..Visit::default()
    };
    let came = is_of_page.then(|| enrichment.source(&visit));
    let (channel, channel_source) = came.flatten().unzip();
    let (bot, bot_class) = agent.bot.unzip();
    let country = text("country", click.country)?;
    // A click that names its country is not placed elsewhere.
    let place = enrichment.place(envelope.ip.as_deref().filter(|_| country.is_none()));
    Ok(Row {
        event_id: opened.event_id.clone(),
        id_generated: envelope.id_generated,
        item: envelope.item.map(i64::from),
        retried: envelope.retried,
        sample_rate: envelope.sample_rate,
        partition: partition.0,
        offset: record.offset.0,
        appended_at: record.appended_at,
        received_at,
        occurred_at: given.unwrap_or(received_at),
        occurred_at_given: given.is_some(),
        action: text("action", click.action)?.unwrap_or(Cow::Borrowed("unknown")),
        product_id: text("product_id", click.product_id)?,
        product_name: text("product_name", click.product_name)?,
        category: text("category", click.category)?,
        quantity: whole("quantity", &click.quantity)?,
        price: number("price", &click.price)?,
        currency: text("currency", click.currency)?,
        order_id: text("order_id", click.order_id)?,
        visitor_id: match &envelope.visitor {
            Some(made) => Some(made.clone()),
            None => text("visitor_id", click.visitor_id)?,
        },
        session_id: text("session_id", click.session_id)?,
        user_id: text("user_id", click.user_id)?,
        utm_source,
        utm_medium,
        utm_campaign: text("utm_campaign", click.utm_campaign)?.or(campaign),
        utm_term: text("utm_term", click.utm_term)?.or(term),
        utm_content: text("utm_content", click.utm_content)?.or(content),
        path: address.path,
        url: address.text,
        referrer,
        user_agent,
        browser: agent.browser.map(Cow::Owned),
        browser_version: agent.browser_version.map(Cow::Owned),
        os: agent.os.map(Cow::Owned),
        os_version: agent.os_version.map(Cow::Owned),
        device: agent.device.map(Cow::Owned),
        device_model: agent.device_model.map(Cow::Owned),
        bot,
        bot_class: bot_class.map(Cow::Borrowed),
        is_bot: agent.is_bot,
        click_id,
        click_id_kind: click_id_kind.map(Cow::Borrowed),
        channel: channel.map(Cow::Borrowed),
        channel_source: channel_source.flatten().map(Cow::Owned),
        ip: envelope.ip.clone(),
        country: country.or(place.country.map(Cow::Owned)),
        region: text("region", click.region)?.or(place.region.map(Cow::Owned)),
        city: text("city", click.city)?.or(place.city.map(Cow::Owned)),
        properties: click.properties.json().map(Cow::Owned),
    })
}

/// The click as its format and the owner's mapping say, with what the edge says of it.
fn click<'r>(envelope: &Envelope<'r>, enrichment: &Enrichment) -> Result<NativeClick<'r>, Defect> {
    let mut click = format::parse(envelope)?;
    let mapped = enrichment.mapping().map_or(Ok(false), |mapping| {
        let applied = mapping.apply(envelope, &mut click, enrichment.hash_key());
        applied.map_err(|error| Defect::new(Reason::WrongType, error.to_string()))
    });
    if mapped? || format::is_foreign(&envelope.format) {
        format::give_back(&mut click);
    }
    if envelope.replaced {
        click.properties.insert_text("text_defect", "not Unicode");
    }
    if envelope.redacted {
        click.properties.insert_true("redacted");
    }
    if let Some(request) = envelope.request {
        click.properties.insert_object("request", request);
    }
    Ok(click)
}

/// What the user agent says, and the hints that came with it.
fn agent(envelope: &Envelope<'_>, user_agent: Option<&str>, enrichment: &Enrichment) -> Agent {
    // What a server sends for its visitor came with the server's own hints.
    let is_own = user_agent == envelope.user_agent.as_deref();
    enrichment.agent(user_agent, envelope.request.filter(|_| is_own))
}

/// `occurred_at`: ISO 8601 or milliseconds since 1970, from 2000 to an hour after the receipt.
fn moment(value: Scalar<'_>, received_at: Timestamp) -> Result<Option<Timestamp>, Defect> {
    let bad = |why: &str| Defect::new(Reason::BadTime, format!("occurred_at: {why}"));
    let given = match value {
        Scalar::Null => return Ok(None),
        Scalar::Text(text) if text.trim().is_empty() => return Ok(None),
        Scalar::Text(text) => moment::parse(text.trim()).ok_or_else(|| {
            bad("neither ISO 8601 (RFC 3339), as 2026-11-22T21:00:00Z, nor milliseconds since 1970")
        })?,
        Scalar::Signed(millis) => Timestamp::from_millis(millis),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float beyond i64 saturates"
        )]
        Scalar::Float(millis) => Timestamp::from_micros((millis * 1_000.0) as i64),
        Scalar::Unsigned(_) => return Err(bad("beyond the calendar")),
        other => {
            return Err(wrong_type(
                "occurred_at",
                "a moment in ISO 8601 or milliseconds since 1970",
                &other,
            ));
        }
    };
    if given < EARLIEST {
        return Err(bad("before 2000"));
    }
    if given.micros() > received_at.micros().saturating_add(AHEAD_MICROS) {
        return Err(bad("over an hour after it was received"));
    }
    Ok(Some(given))
}

#[cfg(test)]
mod tests;
