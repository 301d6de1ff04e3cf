//! What is to be replayed: the request as ranges of offsets, checked against what the topic
//! retains and the lake has committed.

use std::collections::{BTreeMap, BTreeSet};

use sink::{Lake, Ledger, Ranges, ReplayName};
use topic::{Offset, Partition, Timestamp, Topic};

use crate::Error;

/// What is to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaySpan {
    /// `[first, end)` of one partition.
    Offsets {
        /// The partition.
        partition: Partition,
        /// From this offset.
        first: Offset,
        /// Up to this one (exclusive).
        end: Offset,
    },
    /// What was appended in `[from, to)`, of all partitions.
    Times {
        /// From this moment.
        from: Timestamp,
        /// Up to this one (exclusive).
        to: Timestamp,
    },
}

/// A replay that was begun: its lake, and what it holds when it is finished.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Its own lake, below the live one.
    pub lake: Lake,
    /// The live one, whose ledger says who asked to be erased.
    pub live: Lake,
    /// Its ranges.
    pub ranges: Ranges,
    /// Where the live lake began with each of them.
    pub origins: BTreeMap<Partition, Offset>,
}

/// Begins a replay into `name`, or finds the one that was begun: then `span` may be left out,
/// else it must come to the same ranges. `configuration` is the hash of all that decides rows;
/// `now` is noted with one that is begun.
///
/// # Errors
/// [`sink::Error::Refused`] for a range that the topic does not retain or the lake has not
/// committed, for a name that another range or configuration has, and for no range at all.
pub async fn begin(
    topic: &dyn Topic,
    live: &Lake,
    configuration: &str,
    name: &ReplayName,
    span: Option<ReplaySpan>,
    now: Timestamp,
) -> Result<Replay, Error> {
    let Some(ledger) = live.ledger_of(topic.identity()).await? else {
        return refused("the lake is empty: nothing was committed that could be replayed");
    };
    let lake = live.replay(name);
    let begun = lake.ledger().await?.map(|there| there.ranges());
    let ranges = match (span, begun) {
        (None, Some(ranges)) => ranges,
        // The error says what is missing.
        (None, None) => live.replay_ledger(name).await?.ranges(),
        (Some(span), begun) => {
            let ranges = resolve(topic, span).await?;
            if begun.is_none() {
                check(topic, live, &ledger, span, &ranges).await?;
            }
            ranges
        }
    };
    lake.begin_replay(name, &ledger, &ranges, configuration, now)
        .await?;
    let origins = ranges.keys().map(|&p| (p, ledger.first(p))).collect();
    Ok(Replay {
        lake,
        live: live.clone(),
        ranges,
        origins,
    })
}

fn refused<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(sink::Error::Refused(why.into()).into())
}

/// The offsets of what was asked for; partitions that have none are left out.
async fn resolve(topic: &dyn Topic, span: ReplaySpan) -> Result<Ranges, Error> {
    let mut ranges = Ranges::new();
    match span {
        ReplaySpan::Offsets {
            partition,
            first,
            end,
        } => drop(ranges.insert(partition, (first, end))),
        ReplaySpan::Times { from, to } => {
            for (partition, _) in topic.watermarks().await? {
                let first = topic.offset_at(partition, from).await?;
                let end = topic.offset_at(partition, to).await?;
                ranges.insert(partition, (first, end));
            }
        }
    }
    ranges.retain(|_, (first, end)| first < end);
    Ok(ranges)
}

/// Refuses what the topic no longer retains, and what the lake has not committed yet.
async fn check(
    topic: &dyn Topic,
    live: &Lake,
    ledger: &Ledger,
    span: ReplaySpan,
    ranges: &Ranges,
) -> Result<(), Error> {
    let marks = topic.watermarks().await?;
    if let ReplaySpan::Offsets { partition, .. } = span
        && !marks.contains_key(&partition)
    {
        let last = marks.len().saturating_sub(1);
        return refused(format!(
            "the topic has no partition {partition}, but 0 to {last}"
        ));
    }
    if let ReplaySpan::Times { from, .. } = span {
        retained_since(topic, ledger, from).await?;
    }
    let partitions: BTreeSet<Partition> = ranges.keys().copied().collect();
    let tips = live.tips(ledger.clone(), &partitions).await?;
    let mut records = 0;
    for (&partition, &(first, end)) in ranges {
        let low = marks.get(&partition).map_or(first, |marks| marks.low);
        let low = low.max(ledger.first(partition));
        if first < low {
            return refused(format!(
                "partition {partition}: the topic holds its records from offset {low} on, not \
                 from {first}: say --from-offset {low}"
            ));
        }
        let committed = tips.resume(partition);
        if end > committed {
            let latest = tips.tip(partition).map_or_else(String::new, |tip| {
                format!(", its last record of {}", tip.appended_at)
            });
            return refused(format!(
                "partition {partition}: the lake has committed it up to offset {committed}\
                 {latest}, not up to {end}: wait, or end the replay there"
            ));
        }
        let held = topic.fetch(partition, first, 1).await?;
        records += usize::from(held.first().is_some_and(|record| record.offset < end));
    }
    if records < ranges.len() || ranges.is_empty() {
        return refused(
            "no click was appended there: say another range (`clickweir topic` shows what there is)",
        );
    }
    Ok(())
}

/// Refuses a moment before what every partition still holds whole.
async fn retained_since(topic: &dyn Topic, ledger: &Ledger, from: Timestamp) -> Result<(), Error> {
    let mut since: Option<Timestamp> = None;
    for (partition, marks) in topic.watermarks().await? {
        if marks.low <= ledger.first(partition) {
            continue;
        }
        let oldest = topic.fetch(partition, marks.low, 1).await?;
        if let Some(oldest) = oldest.first() {
            since = since.max(Some(oldest.appended_at));
        }
    }
    match since {
        Some(since) if from < since => refused(format!(
            "the topic does not hold all that was appended since {from}: say --from {since} or later"
        )),
        _ => Ok(()),
    }
}
