//! Which lines the topic has.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use topic::{Envelope, ReadError, Timestamp, Topic};
use uuid::Uuid;

/// How many records are read at a time.
const FETCH_RECORDS: usize = 10_000;
/// How far the brokers' clocks may be from this machine's.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// A record's id, and which of the event's items it is.
pub(super) type SentRecord = ([u8; 16], Option<u32>);

/// Returns the records with ids within `ranges` that the topic has since a moment.
pub(super) async fn sent(
    topic: &dyn Topic,
    since: Timestamp,
    ranges: &[RangeInclusive<[u8; 16]>],
) -> Result<HashSet<SentRecord>, ReadError> {
    let mut found = HashSet::new();
    for (partition, marks) in topic.watermarks().await? {
        let first = topic.offset_at(partition, since.minus(CLOCK_SKEW)).await?;
        let mut at = first.max(marks.low);
        while at < marks.high {
            let records = topic.fetch(partition, at, FETCH_RECORDS).await?;
            let Some(last) = records.last() else { break };
            at = last.offset.next();
            let values = records.iter().filter_map(|record| record.value.as_deref());
            let sent = values.filter_map(|value| {
                let envelope = Envelope::decode(value).ok()?;
                let id = Uuid::try_parse(&envelope.id).ok()?.into_bytes();
                Some((id, envelope.item))
            });
            found.extend(sent.filter(|(id, _)| ranges.iter().any(|range| range.contains(id))));
        }
    }
    Ok(found)
}
