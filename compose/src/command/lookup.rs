//! Which ids have arrived: those in the lake, and those in the topic after the lake's end.

use std::collections::HashSet;

use async_trait::async_trait;
use producer::import::{Lookup, LookupError};
use topic::{Envelope, Offset};

use crate::node::Node;

/// How many records are read from the topic at a time.
const FETCH_RECORDS: usize = 10_000;

/// An event's id as the lake keeps it.
type Id = [u8; 16];

/// Returns true for each id that has arrived.
pub(crate) async fn arrived(node: &Node, ids: &[Id]) -> anyhow::Result<Vec<bool>> {
    // What was registered when the topic was read stays registered, so nothing falls between
    // the two.
    let pending = pending_ids(node).await?;
    let mut arrived = node.catalog().await?.present(ids).await?;
    for (id, arrived) in ids.iter().zip(&mut arrived) {
        *arrived = *arrived || pending.contains(id);
    }
    Ok(arrived)
}

/// The ids of all records that the catalog does not have yet.
async fn pending_ids(node: &Node) -> anyhow::Result<HashSet<Id>> {
    let (topic, catalog) = (node.topic().await?, node.catalog().await?);
    catalog.crawl(false).await?;
    let freshness = catalog.freshness().await?;
    let mut ids = HashSet::new();
    for (partition, marks) in topic.watermarks().await? {
        let registered = freshness.iter().find(|fresh| fresh.partition == partition);
        let mut at = registered
            .map_or(Offset(0), |fresh| fresh.registered_end)
            .max(marks.low);
        while at < marks.high {
            let records = topic.fetch(partition, at, FETCH_RECORDS).await?;
            let Some(last) = records.last() else { break };
            at = last.offset.next();
            let envelopes = records
                .iter()
                .filter_map(|record| Envelope::decode(record.value.as_deref()?).ok());
            ids.extend(envelopes.map(|envelope| transformer::event_id(&envelope.id)));
        }
    }
    Ok(ids)
}

#[async_trait]
impl Lookup for Node {
    async fn known(&self, ids: &[String]) -> Result<Vec<bool>, LookupError> {
        let ids: Vec<Id> = ids.iter().map(|id| transformer::event_id(id)).collect();
        Ok(arrived(self, &ids).await?)
    }
}
