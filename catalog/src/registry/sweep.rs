//! Dead letters that nobody names: a worker wrote them and never committed their object.

use std::collections::{BTreeMap, HashSet};

use sink::{Lake, Offset, Partition, ReplayName};

use crate::catalog::Catalog;
use crate::error::Error;

impl Catalog {
    /// Deletes the dead letters that no registered object names and whose partition is
    /// registered beyond their `first`; before that, the object that names them may be on its
    /// way. How many were deleted.
    ///
    /// # Errors
    /// The lake's and the database's; what was not deleted is met again.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let lake = &self.inner.lake;
        let mut swept = self.sweep_of(lake, None).await?;
        for name in lake.replays().await? {
            swept += self.sweep_of(&lake.replay(&name), Some(&name)).await?;
        }
        Ok(swept)
    }

    async fn sweep_of(&self, lake: &Lake, replay: Option<&ReplayName>) -> Result<u64, Error> {
        // The lake first: what is registered meanwhile then counts as named.
        let letters = lake.letters().await?;
        if letters.is_empty() {
            return Ok(0);
        }
        let mut named = HashSet::new();
        let mut ends: BTreeMap<Partition, Offset> = BTreeMap::new();
        for object in self.objects_of(replay).await? {
            let end = ends.entry(object.footer.partition).or_default();
            *end = object.footer.end.max(*end);
            named.extend(object.footer.letters);
        }
        let mut swept = 0;
        for (path, partition, first) in letters {
            let passed = ends.get(&partition).is_some_and(|end| first < *end);
            if passed && !named.contains(&path) {
                lake.sweep(&path).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}
