//! Dead letters that no object names: a worker wrote them and never committed their object.

use std::collections::{BTreeMap, HashSet};

use sink::{Lake, Offset, Partition, ReplayName};

use crate::db::engine::Session;
use crate::error::Error;
use crate::registry::listing::objects;
use crate::registry::writer::RegistryWriter;

impl RegistryWriter {
    /// Deletes what swaps have replaced for longer than the lake's grace, and the dead letters that no registered object names and whose partition is registered
    /// beyond their `first`, and returns how many. Before that, the object that names them may be
    /// on its way.
    pub(crate) async fn sweep(&self) -> Result<u64, Error> {
        let mut swept = self.sweep_lake(&self.lake, None).await?;
        for name in self.lake.replays().await? {
            swept += self
                .sweep_lake(&self.lake.replay(&name), Some(name))
                .await?;
        }
        Ok(swept)
    }

    async fn sweep_lake(&self, lake: &Lake, replay: Option<ReplayName>) -> Result<u64, Error> {
        let Some(ledger) = lake.ledger().await? else {
            return Ok(0);
        };
        let (swapped, coverage) = (lake.sweep_swapped(&ledger).await?, &ledger.coverage);
        // The lake first: an object that is registered meanwhile then counts as naming its letters.
        let letters = lake.letters().await?;
        if letters.is_empty() {
            return Ok(swapped);
        }
        let objects = move |session: &mut Session| objects(session, replay.as_ref());
        let mut named = HashSet::new();
        let mut ends: BTreeMap<Partition, Offset> = BTreeMap::new();
        for object in self.read(objects).await? {
            let end = ends.entry(object.footer.partition).or_default();
            *end = object.footer.end.max(*end);
            named.extend(object.footer.letters);
        }
        let mut swept = swapped;
        for (path, partition, first) in letters {
            let passed = ends.get(&partition).is_some_and(|end| first < *end);
            // What a swap has replaced, or may have on its way, is swept with its objects.
            let swapped = coverage.holding(partition, first).is_some();
            if passed && !swapped && !named.contains(&path) {
                lake.sweep(&path).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}
