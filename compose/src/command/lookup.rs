//! Which ids have arrived, in the lake or in the topic after the lake's end, and what records
//! become.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use producer::import::{HeldAs, HeldRecord, Judge, LineDefect, Lookup, LookupError};
use topic::{Draft, Envelope, Offset, Partition, Record, Timestamp, id_key};
use transformer::{Enrichment, transform};

use crate::enrichment::EnrichmentFiles;
use crate::node::Node;

/// How many records are read from the topic at a time.
const FETCH_RECORDS: usize = 10_000;

/// An event's id in memory; see [`topic::id_key`].
type Id = [u8; 16];

/// Returns true for each id that has arrived.
pub(crate) async fn arrived(node: &Node, ids: &[String]) -> anyhow::Result<Vec<bool>> {
    // What was registered when the topic was read stays registered, so nothing falls between
    // the two.
    let mut pending = HashSet::new();
    read_pending(node, |_, _, envelope| {
        pending.insert(id_key(&envelope.id));
    })
    .await?;
    let mut arrived = node.catalog().await?.present(ids).await?;
    for (id, arrived) in ids.iter().zip(&mut arrived) {
        *arrived = *arrived || pending.contains(&id_key(id));
    }
    Ok(arrived)
}

/// Reads all records that the catalog does not have yet, with their envelopes.
async fn read_pending(
    node: &Node,
    mut each: impl FnMut(Partition, &Record, &Envelope<'_>),
) -> anyhow::Result<()> {
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    catalog.crawl(false).await?;
    let freshness = catalog.freshness().await?;
    for (partition, marks) in topic.watermarks().await? {
        let registered = freshness.iter().find(|fresh| fresh.partition == partition);
        let mut at = registered
            .map_or(Offset(0), |fresh| fresh.registered_end)
            .max(marks.low);
        while at < marks.high {
            let records = topic.fetch(partition, at, FETCH_RECORDS).await?;
            let Some(last) = records.last() else { break };
            at = last.offset.next();
            for record in &records {
                let value = record.value.as_deref().unwrap_or_default();
                if let Ok(envelope) = Envelope::decode(value) {
                    each(partition, record, &envelope);
                }
            }
        }
    }
    Ok(())
}

#[async_trait]
impl Lookup for Node {
    async fn held(&self, ranges: &[RangeInclusive<Id>]) -> Result<Vec<HeldRecord>, LookupError> {
        let enrichment = self.enrichment().await?.newest();
        let mut held = Vec::new();
        // A record on its way becomes what the transformer says: it decides by the record alone.
        read_pending(self, |partition, record, envelope| {
            let id = id_key(&envelope.id);
            if ranges.iter().any(|range| range.contains(&id)) {
                let row = transform(partition, record, &enrichment);
                held.push(held_record(id, envelope.item, row.is_ok()));
            }
        })
        .await?;
        let registered = self.catalog().await?.held(ranges.to_vec()).await?;
        let registered = registered.into_iter();
        held.extend(registered.map(|(id, item, is_row)| held_record(id, item, is_row)));
        Ok(held)
    }
}

fn held_record(id: Id, item: Option<u32>, is_row: bool) -> HeldRecord {
    let held = match is_row {
        true => HeldAs::Row,
        false => HeldAs::Letter,
    };
    HeldRecord { id, item, held }
}

/// What the transformer will make of a record.
pub(crate) struct Foresight {
    enrichment: Arc<Enrichment>,
}

impl Foresight {
    /// By these files.
    pub(crate) fn of(files: &EnrichmentFiles) -> Arc<Self> {
        let enrichment = files.newest();
        Arc::new(Self { enrichment })
    }
}

impl Judge for Foresight {
    fn defect(&self, draft: &Draft) -> Option<LineDefect> {
        // Where and when the topic takes it decides nothing.
        let record = Record {
            offset: Offset(0),
            appended_at: Timestamp::from_micros(0),
            key: None,
            value: Some(draft.value.clone()),
            headers: Vec::new(),
        };
        let defect = transform(Partition(0), &record, &self.enrichment).err()?;
        Some(LineDefect {
            reason: defect.reason.to_string(),
            detail: defect.detail,
        })
    }
}
