//! Where a partition continues: the lake says it, the topic must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sink::{DropRule, Footer, Forgotten, Hour, Lake, LakeId, Ledger, ObjectName};
use topic::clock::STEP_BACK;
use topic::{Offset, Partition, ReadError, Timestamp, Topic, Watermarks};

use crate::{Config, Error};

/// Where a partition continues.
#[derive(Debug, Clone)]
pub(crate) struct ResumePoint {
    /// Where the next batch begins.
    pub(crate) next: Offset,
    /// Where reading begins: what is before `next` only fills the window.
    pub(crate) from: Offset,
    /// True if retention has cut the window's range.
    pub(crate) window_cut: bool,
    /// How many entries of the ledger were read.
    pub(crate) ledger: u64,
    /// What is left out from `next` on, by those entries. `None` if nothing is.
    pub(crate) drops: Option<Arc<DropRule>>,
}

/// A position for each partition, or why that partition must stop.
pub(crate) type ResumePoints = BTreeMap<Partition, Result<ResumePoint, Error>>;

/// Asks the lake's tips where the partitions continue, and compares them with the topic. A lake
/// that is not there yet is founded with the identity `new_lake`.
pub(crate) async fn resume(
    lake: &Lake,
    new_lake: LakeId,
    topic: &dyn Topic,
    config: &Config,
    partitions: &BTreeSet<Partition>,
) -> Result<ResumePoints, Error> {
    let marks = topic.watermarks().await?;
    let lows = marks
        .iter()
        .map(|(partition, marks)| (*partition, marks.low))
        .collect();
    let ledger = lake.found(topic.identity(), lows, new_lake).await?;
    positions(lake, &ledger, topic, config, partitions, &marks).await
}

/// The same, of a lake whose ledger is known.
async fn positions(
    lake: &Lake,
    ledger: &Ledger,
    topic: &dyn Topic,
    config: &Config,
    partitions: &BTreeSet<Partition>,
    marks: &BTreeMap<Partition, Watermarks>,
) -> Result<ResumePoints, Error> {
    let tips = lake.tips(ledger.clone(), partitions).await?;
    let forgotten = lake.forgotten(ledger).await?;
    let mut starts = BTreeMap::new();
    for &partition in partitions {
        let Some(&marks) = marks.get(&partition) else {
            starts.insert(partition, Err(unnamed(partition)));
            continue;
        };
        let place = Place {
            lake,
            topic,
            config,
            ledger,
            forgotten: &forgotten,
            origin: ledger.first(partition),
            partition,
            marks,
        };
        let start = match tips.check(partition, marks) {
            Ok(end) => place.start(end, tips.last(partition)).await,
            Err(error) => Err(error.into()),
        };
        starts.insert(partition, start);
    }
    // Retention may have passed meanwhile, and then the window's range was sought in what it
    // left: the low watermark is asked for after that.
    let marks = topic.watermarks().await?;
    let mut positions = ResumePoints::new();
    for (partition, start) in starts {
        let position = match start {
            Ok(start) => {
                let origin = ledger.first(partition);
                start.position(topic, partition, origin, &marks).await
            }
            Err(error) => Err(error),
        };
        positions.insert(partition, position);
    }
    Ok(positions)
}

/// Where a partition continues after the lake answered that this object is there.
pub(crate) async fn after(
    lake: &Lake,
    topic: &dyn Topic,
    config: &Config,
    there: &Footer,
) -> Result<ResumePoint, Error> {
    let &Footer {
        partition,
        first,
        end,
        appended_at,
        ..
    } = there;
    let watermarks = topic.watermarks().await?;
    let marks = watermarks.get(&partition).copied().unwrap_or(Watermarks {
        low: end,
        high: end,
    });
    let ledger = lake.ledger_of(topic.identity()).await?.ok_or_else(|| {
        sink::Error::Unavailable("its ledger was there and is not any more".to_owned())
    })?;
    if ledger.gives_up(partition, first) || !ledger.trusts(there) {
        // It came too late, and perhaps counts for nothing: the tips say where to go on.
        let of_it = BTreeSet::from([partition]);
        let asked = positions(lake, &ledger, topic, config, &of_it, &watermarks);
        let mut positions = asked.await?;
        let position = positions.remove(&partition);
        return position.expect("a position or a reason is given for what was asked");
    }
    let forgotten = lake.forgotten(&ledger).await?;
    let place = Place {
        lake,
        topic,
        config,
        ledger: &ledger,
        forgotten: &forgotten,
        origin: ledger.first(partition),
        partition,
        marks,
    };
    place
        .position(ledger.past(partition, end), Some((end, appended_at)))
        .await
}

fn unnamed(partition: Partition) -> Error {
    ReadError::Unavailable(format!("it does not name partition {partition} yet")).into()
}

/// A position, before it is known how much of the window's range retention has left.
pub(crate) struct Start {
    pub(crate) next: Offset,
    /// Where the window's range begins.
    pub(crate) wanted: Offset,
    /// How many entries of the ledger were read.
    pub(crate) ledger: u64,
    /// What is left out from `next` on.
    pub(crate) drops: Option<Arc<DropRule>>,
}

/// Where the window's range before `next` begins; `appended_at` is that of the record before.
pub(crate) async fn window_from(
    topic: &dyn Topic,
    config: &Config,
    partition: Partition,
    (next, appended_at): (Offset, Timestamp),
) -> Result<Offset, Error> {
    let earliest = appended_at.minus(config.window + STEP_BACK);
    let by_time = topic.offset_at(partition, earliest).await?;
    let by_count = Offset(next.0.saturating_sub(config.window_records));
    Ok(by_time.max(by_count))
}

/// What a position is found with.
pub(crate) struct Place<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) topic: &'a dyn Topic,
    pub(crate) config: &'a Config,
    /// The lake's own ledger.
    pub(crate) ledger: &'a Ledger,
    /// What the live lake was asked to forget.
    pub(crate) forgotten: &'a Forgotten,
    /// Where the live lake began with the partition: no record before that is looked at.
    pub(crate) origin: Offset,
    pub(crate) partition: Partition,
    pub(crate) marks: Watermarks,
}

impl Start {
    /// `marks` were asked for after the window's range was sought.
    pub(crate) async fn position(
        self,
        topic: &dyn Topic,
        partition: Partition,
        origin: Offset,
        marks: &BTreeMap<Partition, Watermarks>,
    ) -> Result<ResumePoint, Error> {
        let low = marks.get(&partition).ok_or_else(|| unnamed(partition))?.low;
        let Self {
            next,
            wanted,
            ledger,
            drops,
        } = self;
        // What the range begins with may be all that is left of it. The low watermark itself
        // need not be a record.
        let window_cut = low > origin && {
            let left = topic.fetch(partition, low, 1).await?;
            left.first().is_none_or(|oldest| wanted <= oldest.offset)
        };
        Ok(ResumePoint {
            next,
            from: wanted.max(low).min(next),
            window_cut,
            ledger,
            drops,
        })
    }
}

impl Place<'_> {
    /// Where the partition continues that ends at `end`, or at one of the objects behind that.
    /// `tip` is the newest object's end and the append time of its last record.
    pub(crate) async fn position(
        &self,
        end: Offset,
        tip: Option<(Offset, Timestamp)>,
    ) -> Result<ResumePoint, Error> {
        let start = self.start(end, tip).await?;
        let marks = self.topic.watermarks().await?;
        start
            .position(self.topic, self.partition, self.origin, &marks)
            .await
    }

    async fn start(&self, end: Offset, tip: Option<(Offset, Timestamp)>) -> Result<Start, Error> {
        if let Some((tip_end, appended_at)) = tip {
            self.same_topic(tip_end, appended_at).await?;
        }
        let (mut next, mut seen) = (end, tip.map(|(_, appended_at)| appended_at));
        // Lists may lag: an object that begins exactly here moves the position to its end.
        while let Some(record) = self.topic.fetch(self.partition, next, 1).await?.first() {
            let name = ObjectName {
                hour: Hour::of(record.appended_at),
                partition: self.partition,
                first: next,
            };
            let Some(there) = self.lake.committed(&name, self.topic.identity()).await? else {
                break;
            };
            next = self.ledger.past(self.partition, there.end);
            seen = Some(there.appended_at);
        }
        let (origin, ledger) = (self.origin, self.ledger.next);
        let drops = self.forgotten.rule(self.partition, next);
        let Some(appended_at) = seen else {
            return Ok(Start {
                next,
                wanted: origin,
                ledger,
                drops,
            });
        };
        let before = (next, appended_at);
        let wanted = window_from(self.topic, self.config, self.partition, before).await?;
        Ok(Start {
            next,
            wanted: wanted.max(origin),
            ledger,
            drops,
        })
    }

    /// The record before the lake's end must be the one that the lake took.
    async fn same_topic(&self, end: Offset, appended_at: Timestamp) -> Result<(), Error> {
        let Some(last) = end.0.checked_sub(1).map(Offset) else {
            return Ok(());
        };
        if last < self.marks.low {
            return Ok(());
        }
        let records = self.topic.fetch(self.partition, last, 1).await?;
        match records.first() {
            Some(record) if record.offset == last && record.appended_at != appended_at => {
                Err(Error::Lake(sink::Error::Recreated {
                    partition: self.partition,
                    end,
                    why: format!(
                        "its record before that was appended at {}, the topic's at {}",
                        appended_at, record.appended_at
                    ),
                }))
            }
            _ => Ok(()),
        }
    }
}
