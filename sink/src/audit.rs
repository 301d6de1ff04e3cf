//! The arithmetic audit: does every acknowledged click stand in the lake, once?
//!
//! Watermarks come from the topic, the list of objects from the catalog; both are handed
//! in. What the catalog lists is compared with what lies in the lake, object by object,
//! hash by hash.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, StreamExt};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use topic::{Offset, Partition, Watermarks};

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

/// Audits the listed objects against the ledger and the topic's watermarks. `doubled` is the
/// number of rows beyond the first of their partition and offset, as the query engine counts
/// them; `progress` is told of every object.
///
/// # Errors
/// The store's. What is wrong with the lake is no error but a finding.
pub async fn audit(
    lake: &Lake,
    ledger: &Ledger,
    objects: &[Footer],
    names: &[ObjectName],
    watermarks: &BTreeMap<Partition, Watermarks>,
    doubled: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Audit, Error> {
    let mut audit = Audit { doubled, ..Audit::default() };
    let mut chains: BTreeMap<Partition, Vec<(&Footer, bool)>> = BTreeMap::new();
    let done = AtomicU64::new(0);
    let checked: Vec<Result<Option<String>, Error>> =
        stream::iter(objects.iter().zip(names).map(|(footer, name)| {
            let done = &done;
            async move {
                let fault = lake.fault(footer, name).await;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                fault
            }
        }))
        .buffered(READERS)
        .collect()
        .await;
    for (footer, fault) in objects.iter().zip(checked) {
        let fault = fault?;
        chains.entry(footer.partition).or_default().push((footer, fault.is_none()));
        audit.findings.extend(fault);
    }
    audit.objects = objects.len() as u64;
    for (partition, marks) in watermarks {
        let chain = chains.remove(partition).unwrap_or_default();
        audit.partition(ledger, *partition, *marks, &chain);
    }
    for partition in chains.keys() {
        audit.findings.push(format!("the lake holds partition {partition}, the topic does not"));
    }
    Ok(audit)
}

impl Audit {
    fn partition(
        &mut self,
        ledger: &Ledger,
        partition: Partition,
        marks: Watermarks,
        chain: &[(&Footer, bool)],
    ) {
        let mut chain = chain.to_vec();
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
    /// What is wrong with an object or its letters, in a sentence.
    async fn fault(&self, footer: &Footer, name: &ObjectName) -> Result<Option<String>, Error> {
        let path = name.to_string();
        match self.intact(&path).await {
            Ok(true) => {}
            Ok(false) => return Ok(Some(format!("{path} is damaged: its hash does not fit"))),
            Err(Error::Damaged { detail, .. }) => {
                return Ok(Some(format!("{path} is damaged: {detail}")));
            }
            Err(error) => return Err(error),
        }
        match self.footer(name).await? {
            Some(found) if found == *footer => {}
            _ => return Ok(Some(format!("{path} is not the object that the catalog registered"))),
        }
        let Some(letters) = &footer.letters else { return Ok(None) };
        let Some(bytes) = self.read_if_there(&Path::from(letters.as_str())).await? else {
            return Ok(Some(format!("{letters} is missing, and {path} names it")));
        };
        let digest = format!("{:x}", Sha256::digest(&bytes));
        let whole = letters.ends_with(&format!("-{}.parquet", &digest[..32]));
        Ok((!whole).then(|| format!("{letters} is damaged: its hash does not fit its name")))
    }
}

/// Where the lake ends, by its list of objects: the greatest end of each partition.
#[must_use]
pub fn ends(objects: &[Footer]) -> BTreeMap<Partition, Offset> {
    let mut ends = BTreeMap::new();
    for footer in objects {
        let end = ends.entry(footer.partition).or_insert(footer.end);
        *end = (*end).max(footer.end);
    }
    ends
}
