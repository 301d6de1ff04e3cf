//! The deep audit: the topic is read again, by a decoder that shares nothing with the one that
//! made the rows, and every record of the committed ranges is looked up in the lake, id by id.
//!
//! A record is there once as a row of its id at its partition and offset, or as a dead letter
//! with its bytes, or it is a duplicate, its id having been seen within the window, or a rule
//! dropped it. And no row and no letter is without its record.

mod decode;
mod object;
mod records;
mod report;

use std::collections::BTreeMap;

use sink::audit::{Finding, RecentIds, Reference, Survey, WindowRule, restore};
use sink::{Forgotten, Lake, Ledger, ObjectName};
use topic::{Offset, Partition, Topic, Watermarks};

use self::object::{AbsenceJudge, Check};
use self::records::Records;
pub use self::report::Deep;
use crate::Error;

/// What the deep audit compares.
struct Scene<'a> {
    topic: &'a dyn Topic,
    lake: &'a Lake,
    against: &'a Reference<'a>,
    window: WindowRule,
    /// What was asked to be erased: no other record may be dropped.
    forgotten: &'a Forgotten,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    /// How many offsets there are to read.
    total: u64,
}

/// Compares what was surveyed of the lake with the topic, record by record. `progress` gets
/// the number of offsets of the topic that were passed, and of all.
///
/// # Errors
/// The topic's and the store's. What is wrong with the lake is no error but a finding.
pub async fn deep(
    topic: &dyn Topic,
    lake: &Lake,
    survey: &Survey,
    against: &Reference<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Deep, Error> {
    let forgotten = lake.forgotten(against.ledger).await?;
    let mut objects: BTreeMap<Partition, Vec<ObjectName>> = BTreeMap::new();
    // What came after its offsets were given up counts for nothing.
    let late = |name: &ObjectName| against.ledger.gives_up(name.partition, name.first);
    for name in survey.names().into_iter().filter(|name| !late(name)) {
        objects.entry(name.partition).or_default().push(name);
    }
    let held = against.watermarks.values();
    let scene = Scene {
        topic,
        lake,
        against,
        window: against.window.clone().unwrap_or_default(),
        forgotten: &forgotten,
        progress,
        total: held.map(|marks| marks.low.distance(marks.high)).sum(),
    };
    let (mut deep, mut passed) = (Deep::default(), 0);
    // A partition that the topic does not have is a finding of the arithmetic audit.
    for (&partition, &marks) in against.watermarks {
        let names = objects.remove(&partition).unwrap_or_default();
        deep.partition(&scene, partition, marks, &names, passed)
            .await?;
        passed += marks.low.distance(marks.high);
        progress(passed, scene.total);
    }
    Ok(deep)
}

impl Deep {
    async fn partition(
        &mut self,
        scene: &Scene<'_>,
        partition: Partition,
        marks: Watermarks,
        names: &[ObjectName],
        passed: u64,
    ) -> Result<(), Error> {
        let ledger = scene.against.ledger;
        let mut records = Records::new(scene.topic, partition, marks.low);
        let mut recent = RecentIds::new(&scene.window);
        let origin = ledger.first(partition);
        let mut at = origin;
        for name in names {
            let contents = match scene.lake.contents(name, &ledger.topic).await {
                Ok(Some(contents)) => contents,
                Ok(None) => continue,
                Err(sink::Error::Damaged { detail, .. }) => {
                    self.findings.push(
                        Finding::new(
                            format!("its records cannot be compared: {detail}"),
                            restore(name.first, Some(&marks)),
                        )
                        .object(name.to_string()),
                    );
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            at = Self::pass_covered(ledger, &mut records, &mut recent, (partition, at)).await?;
            if !ledger.counts(&contents.footer, at) {
                continue;
            }
            if contents.footer.first > at {
                let hole = (partition, at, contents.footer.first);
                self.hole(&mut records, &mut recent, hole).await?;
            }
            let cut = marks.low > origin;
            let drops = scene.forgotten.rule(partition, contents.footer.first);
            let judge = AbsenceJudge {
                window: &scene.window,
                drops,
                cut,
            };
            let mut check = Check::new(self, *name, &contents, at, judge);
            let end = contents.footer.end;
            while let Some(batch) = records.next(end).await? {
                for record in &batch {
                    check.record(record, &mut recent, &records);
                }
                let done = passed + marks.low.distance(records.at());
                (scene.progress)(done, scene.total);
            }
            check.end(&mut recent, &records);
            at = at.max(end);
        }
        at = Self::pass_covered(ledger, &mut records, &mut recent, (partition, at)).await?;
        // What was registered was committed, whether or not it can be read now.
        let ends = scene.against.catalog.map(|catalog| &catalog.ends);
        let end = ends.and_then(|ends| ends.get(&partition).copied());
        let hole = (partition, at, end.unwrap_or_default());
        self.hole(&mut records, &mut recent, hole).await
    }

    /// Where a partition continues after the gaps and the ranges of swaps that begin at `at`. What
    /// swaps cover is proved by their sums; its records only fill the window.
    async fn pass_covered(
        ledger: &Ledger,
        records: &mut Records<'_>,
        recent: &mut RecentIds,
        (partition, at): (Partition, Offset),
    ) -> Result<Offset, Error> {
        let past = ledger.past(partition, at);
        if ledger.past_gaps(partition, at) != past {
            while let Some(batch) = records.next(past).await? {
                for record in &batch {
                    if let Some(decoded) = decode::decode(record.value.as_deref()) {
                        recent.take(decoded.identity, object::twin(record, at));
                    }
                }
            }
        }
        Ok(past)
    }

    /// Records that are in no object: each is missing.
    async fn hole(
        &mut self,
        records: &mut Records<'_>,
        recent: &mut RecentIds,
        (partition, first, end): (Partition, Offset, Offset),
    ) -> Result<(), Error> {
        let mut missing = 0;
        while let Some(batch) = records.next(end).await? {
            missing += batch.len() as u64;
            for record in &batch {
                if let Some(decoded) = decode::decode(record.value.as_deref()) {
                    recent.take(decoded.identity, object::twin(record, first));
                }
            }
        }
        self.records += missing;
        self.missing += missing;
        if missing > 0 {
            let marks = Watermarks {
                low: records.low(),
                high: end,
            };
            self.findings.push(
                Finding::new(
                    format!("{missing} records of the topic are in no object that can be read"),
                    restore(first, Some(&marks)),
                )
                .range(partition, first, end),
            );
        }
        Ok(())
    }
}
