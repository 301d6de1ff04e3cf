//! Where an id is: in the lake, or in the topic beyond the lake's end.

use std::collections::HashSet;

use async_trait::async_trait;
use producer::import::{Lookup, LookupError};
use topic::{Envelope, Offset};

use crate::node::Node;

/// How many records are asked for at once.
const CHUNK: usize = 10_000;

/// An event's id as the lake keeps it.
type Id = [u8; 16];

impl Node {
    /// The ids of all records that the catalog does not have yet.
    pub(crate) async fn pending_ids(&self) -> anyhow::Result<HashSet<Id>> {
        let (topic, catalog) = (self.topic().await?, self.catalog().await?);
        catalog.crawl(false).await?;
        let freshness = catalog.freshness().await?;
        let mut ids = HashSet::new();
        for (partition, marks) in topic.watermarks().await? {
            let registered = freshness.iter().find(|fresh| fresh.partition == partition);
            let mut at = registered
                .map_or(Offset(0), |fresh| fresh.registered_end)
                .max(marks.low);
            while at < marks.high {
                let records = topic.fetch(partition, at, CHUNK).await?;
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

    /// Whether each id has arrived: in the lake, or still in the topic.
    pub(crate) async fn arrived(&self, ids: &[Id]) -> anyhow::Result<Vec<bool>> {
        // What was registered when the topic was read stays registered, so nothing falls
        // between the two.
        let pending = self.pending_ids().await?;
        let mut arrived = self.catalog().await?.present(ids).await?;
        for (id, arrived) in ids.iter().zip(&mut arrived) {
            *arrived = *arrived || pending.contains(id);
        }
        Ok(arrived)
    }
}

#[async_trait]
impl Lookup for Node {
    async fn known(&self, ids: &[String]) -> Result<Vec<bool>, LookupError> {
        let ids: Vec<Id> = ids.iter().map(|id| transformer::event_id(id)).collect();
        Ok(self.arrived(&ids).await?)
    }
}
