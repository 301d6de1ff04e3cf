//! The arithmetic audit: does every acknowledged click stand in the lake, once?
//!
//! Watermarks come from the topic, the list of registered objects from the catalog; both are
//! handed in. What lies in the lake is read object by object, hash by hash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use topic::{Partition, Watermarks};

use crate::{Error, Footer, Lake, Ledger, ObjectName};

/// How many objects are read at once.
const READERS: usize = 4;

/// The verdict. `acknowledged = rows + dead_letters + duplicates + dropped + pending + lost -
/// doubled`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Records of the topic since `origin`, less what a `gap` accepted.
    pub acknowledged: u64,
    /// Rows of the lake.
    pub rows: u64,
    /// Dead letters of the lake.
    pub dead_letters: u64,
    /// Records whose id had been seen shortly before.
    pub duplicates: u64,
    /// Records that a rule left out.
    pub dropped: u64,
    /// Records beyond the lake's tips.
    pub pending: u64,
    /// Records that should be in the lake and are not.
    pub lost: u64,
    /// Rows that stand in the lake more often than once.
    pub doubled: u64,
    /// Offsets without a record (a broker's own marks).
    pub absent: u64,
    /// Objects that were looked at.
    pub objects: u64,
    /// One sentence for each thing found.
    pub findings: Vec<String>,
}

impl Audit {
    /// Whether every acknowledged click is there once.
    #[must_use]
    pub const fn clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.findings.is_empty()
    }
}

/// An object as the audit found it.
struct Inspected {
    footer: Option<Footer>,
    fault: Option<String>,
}

/// Audits the lake against its ledger and the topic's watermarks: the objects that lie there
/// and those that the catalog has `registered`, so that one that went missing is missed.
/// `progress` is told of every object, and of how many there are.
///
/// # Errors
/// The store's. What is wrong with the lake is no error but a finding.
pub async fn audit(
    lake: &Lake,
    ledger: &Ledger,
    registered: &[ObjectName],
    watermarks: &BTreeMap<Partition, Watermarks>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Audit, Error> {
    let mut names: BTreeSet<ObjectName> = registered.iter().copied().collect();
    for hour in lake.hours().await? {
        names.extend(lake.objects(hour).await?.into_iter().map(|(name, _)| name));
    }
    let (done, total) = (AtomicU64::new(0), names.len() as u64);
    let inspected: Vec<Inspected> = stream::iter(names.into_iter().map(|name| {
        let done = &done;
        async move {
            let inspected = lake.inspect(name).await;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            inspected
        }
    }))
    .buffered(READERS)
    .try_collect()
    .await?;
    let mut audit = Audit {
        objects: total,
        ..Audit::default()
    };
    let mut chains: BTreeMap<Partition, Vec<(Footer, bool)>> = BTreeMap::new();
    for Inspected { footer, fault } in inspected {
        if let Some(footer) = footer {
            if footer.topic == ledger.topic {
                chains
                    .entry(footer.partition)
                    .or_default()
                    .push((footer, fault.is_none()));
            } else {
                audit
                    .findings
                    .push(format!("an object of topic {} lies here", footer.topic));
            }
        }
        audit.findings.extend(fault);
    }
    for (partition, marks) in watermarks {
        let chain = chains.remove(partition).unwrap_or_default();
        audit.partition(ledger, *partition, *marks, chain);
    }
    for partition in chains.keys() {
        audit.findings.push(format!(
            "the lake holds partition {partition}, the topic does not"
        ));
    }
    Ok(audit)
}

impl Audit {
    fn partition(
        &mut self,
        ledger: &Ledger,
        partition: Partition,
        marks: Watermarks,
        mut chain: Vec<(Footer, bool)>,
    ) {
        chain.sort_by_key(|(footer, _)| footer.first);
        let mut at = ledger.first(partition);
        let mut accepted = 0;
        let mut absent = 0;
        let origin = at;
        for (footer, whole) in chain {
            let past = ledger.past_gaps(partition, at);
            accepted += at.distance(past);
            at = past;
            if footer.first > at {
                let missing = at.distance(footer.first);
                self.lost += missing;
                self.findings.push(format!(
                    "partition {partition}: offsets {at}..{} are in no object",
                    footer.first
                ));
            }
            if footer.first < at {
                let twice = footer.first.distance(at.min(footer.end));
                self.doubled += twice;
                self.findings.push(format!(
                    "partition {partition}: offsets {}..{} are in two objects",
                    footer.first,
                    at.min(footer.end)
                ));
            }
            if whole {
                self.rows += footer.counts.rows;
                self.dead_letters += footer.counts.dead_letters;
                self.duplicates += footer.counts.duplicates;
                self.dropped += footer.counts.dropped;
            } else {
                self.lost += footer.counts.total() - footer.counts.absent;
            }
            absent += footer.counts.absent;
            at = at.max(footer.end);
        }
        let past = ledger.past_gaps(partition, at);
        accepted += at.distance(past);
        at = past;
        if at > marks.high {
            self.findings.push(format!(
                "partition {partition}: the lake ends at {at}, the topic at {}: another topic",
                marks.high
            ));
        }
        if at < marks.low {
            let missing = at.distance(marks.low);
            self.lost += missing;
            self.findings.push(format!(
                "partition {partition}: offsets {at}..{} left the topic before the lake had them",
                marks.low
            ));
            at = marks.low;
        }
        self.absent += absent;
        self.pending += at.distance(marks.high);
        self.acknowledged += origin.distance(marks.high.max(at)) - accepted - absent;
    }
}

impl Lake {
    /// Reads an object whole: its footer, and what is wrong with it or its letters.
    async fn inspect(&self, name: ObjectName) -> Result<Inspected, Error> {
        let path = name.to_string();
        let fault = |footer, why: String| {
            Ok(Inspected {
                footer,
                fault: Some(why),
            })
        };
        let footer = match self.footer(&name).await {
            Ok(Some(footer)) => footer,
            Ok(None) => return fault(None, format!("{path} is registered and is not there")),
            Err(error @ Error::Damaged { .. }) => return fault(None, error.to_string()),
            Err(error) => return Err(error),
        };
        if !self.intact(&path).await? {
            return fault(
                Some(footer),
                format!("{path} is damaged: its hash does not fit"),
            );
        }
        let Some(letters) = footer.letters.clone() else {
            return Ok(Inspected {
                footer: Some(footer),
                fault: None,
            });
        };
        let Some(bytes) = self.read_if_there(&Path::from(letters.as_str())).await? else {
            return fault(
                Some(footer),
                format!("{letters} is not there, and {path} names it"),
            );
        };
        let digest = format!("{:x}", Sha256::digest(&bytes));
        let whole = letters.ends_with(&format!("-{}.parquet", &digest[..32]));
        let why = format!("{letters} is damaged: its hash does not fit its name");
        Ok(Inspected {
            footer: Some(footer),
            fault: (!whole).then_some(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use topic::{Identity, Offset, Timestamp};

    use super::*;
    use crate::{Batch, Entry, Hour, Location};

    const PARTITION: Partition = Partition(0);

    fn shop() -> Identity {
        Identity {
            cluster: "c".into(),
            topic: "t".into(),
        }
    }

    /// A lake that holds these ranges, each offset a duplicate, and the gaps of its ledger.
    async fn lake(ranges: &[(u64, u64)], gaps: &[(u64, u64)]) -> (Lake, Ledger) {
        let location = Location::Folder(PathBuf::from("/memory"));
        let lake = Lake::new(Arc::new(InMemory::new()), location);
        lake.found(&shop(), BTreeMap::from([(PARTITION, Offset(0))]))
            .await
            .unwrap();
        for (number, (first, end)) in (1..).zip(gaps) {
            let (first, end, accepted_at) = (Offset(*first), Offset(*end), Timestamp::default());
            let gap = Entry::Gap {
                partition: PARTITION,
                first,
                end,
                accepted_at,
            };
            assert!(lake.write_entry(number, &gap).await.unwrap());
        }
        for &(first, end) in ranges {
            let conf = "conf".to_owned();
            let mut batch = Batch::new(shop(), conf, PARTITION, Offset(first), Hour(0), false);
            for offset in first..end {
                batch.duplicate(Offset(offset), Timestamp::from_micros(1), false);
            }
            lake.commit(
                batch.seal(),
                1 + gaps.len() as u64,
                std::time::Duration::from_secs(1),
            )
            .await
            .unwrap();
        }
        let ledger = lake.ledger().await.unwrap().unwrap();
        (lake, ledger)
    }

    /// What the audit says of `ranges` and `gaps`, the topic holding `low..high`:
    /// acknowledged, duplicates, pending, lost, doubled.
    async fn check(
        ranges: &[(u64, u64)],
        gaps: &[(u64, u64)],
        (low, high): (u64, u64),
        expect: [u64; 5],
    ) {
        let (lake, ledger) = lake(ranges, gaps).await;
        let marks = Watermarks {
            low: Offset(low),
            high: Offset(high),
        };
        let marks = BTreeMap::from([(PARTITION, marks)]);
        let found = audit(&lake, &ledger, &[], &marks, &|_, _| {})
            .await
            .unwrap();
        let Audit {
            acknowledged,
            duplicates,
            pending,
            lost,
            doubled,
            ..
        } = found;
        assert_eq!(
            [acknowledged, duplicates, pending, lost, doubled],
            expect,
            "{ranges:?} {gaps:?}"
        );
        assert_eq!(
            acknowledged + doubled,
            duplicates + pending + lost,
            "invariant 4"
        );
        assert_eq!(
            found.clean(),
            lost == 0 && doubled == 0,
            "{:?}",
            found.findings
        );
    }

    #[tokio::test]
    async fn invariant_3_chains_holes_overlaps_and_gaps() {
        check(&[(0, 5), (5, 9)], &[], (0, 12), [12, 9, 3, 0, 0]).await;
        check(&[(0, 5), (7, 9)], &[], (0, 9), [9, 7, 0, 2, 0]).await;
        check(&[(0, 5), (3, 9)], &[], (0, 9), [9, 11, 0, 0, 2]).await;
        check(&[(0, 5), (7, 9)], &[(5, 7)], (0, 9), [7, 7, 0, 0, 0]).await;
        check(&[(0, 5)], &[], (8, 9), [9, 5, 1, 3, 0]).await;
        check(&[(0, 5)], &[(5, 8)], (8, 9), [6, 5, 1, 0, 0]).await;
        check(&[], &[], (0, 4), [4, 0, 4, 0, 0]).await;
    }
}
