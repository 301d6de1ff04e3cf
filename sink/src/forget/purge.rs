//! Deleting what an erasure has replaced, and whatever else does not count and holds the subject:
//! what earlier swaps replaced, what came too late, and what makers wrote and never named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use topic::{Offset, Partition};

use super::erase::ErasureScene;
use super::erasure_rule::ErasureRule;
use super::rule::Forgotten;
use crate::object::names::{CLICKS, DEAD_LETTERS, SWAPS, named_digits, parse_letters};
use crate::{Error, Lake, Ledger, ObjectName};

impl Lake {
    /// Deletes the objects that do not count and hold some of what is taken, or are damaged. Nobody who knows the
    /// ledger reads them; who still holds an old list meets an object that is gone, and fails.
    /// Returns false if the ledger has moved, so that others may count now.
    pub(super) async fn purge(
        &self,
        ledger: &Ledger,
        scene: &ErasureScene<'_>,
    ) -> Result<bool, Error> {
        let rule = scene.forgotten.erasure_rule();
        let counting = self.counting(ledger, scene).await?;
        if self.has_moved(ledger).await? {
            return Ok(false);
        }
        for folder in [CLICKS, SWAPS, DEAD_LETTERS] {
            let folder = Path::from(folder);
            let listed: Vec<_> = self.store().list(Some(&folder)).try_collect().await?;
            for meta in listed {
                let path = meta.location.to_string();
                if counting.contains(&path) || self.is_beyond(&path, scene) {
                    continue;
                }
                let is_to_go = match self.intact(&path).await {
                    Ok(true) => self.holds_some(&path, &rule).await?,
                    // Nobody reads it, and what it held cannot be told any more.
                    Ok(false) => is_own(&path),
                    // It was deleted meanwhile.
                    Err(Error::Damaged { .. }) => false,
                    Err(error) => return Err(error),
                };
                if is_to_go {
                    self.store().delete(&meta.location).await?;
                }
            }
        }
        Ok(true)
    }

    /// Returns true if the ledger has entries that this one lacks.
    pub(super) async fn has_moved(&self, ledger: &Ledger) -> Result<bool, Error> {
        Ok(self.entry(ledger.next).await?.is_some())
    }

    /// Returns true if an object holds some of what is taken. What is no object of ours is left.
    pub(super) async fn holds_some(
        &self,
        path: &str,
        rule: &Arc<ErasureRule>,
    ) -> Result<bool, Error> {
        for letters in [false, true] {
            match self.share_of(path, letters, rule, &BTreeMap::new()).await {
                Ok(share) if share.objects > 0 => return Ok(true),
                // It is of the other kind, or was deleted meanwhile.
                Ok(_) | Err(Error::Damaged { .. } | Error::Unfit(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// What begins beyond the request holds nothing of it, and may be on its way.
    fn is_beyond(&self, path: &str, scene: &ErasureScene<'_>) -> bool {
        let name = ObjectName::parse(path).map(|name| (name.partition, name.first));
        let place = name.or_else(|| parse_letters(path));
        place.is_some_and(|(of, first)| !scene.forgotten.reaches(of, first))
    }

    /// The paths of all objects that count and can hold some of what is taken.
    async fn counting(
        &self,
        ledger: &Ledger,
        scene: &ErasureScene<'_>,
    ) -> Result<BTreeSet<String>, Error> {
        let mut counting = BTreeSet::new();
        let reached = |name: &ObjectName| scene.forgotten.reaches(name.partition, name.first);
        let mut left = Vec::new();
        for names in self.commit_names(reached).await?.into_values() {
            for commit in self.chained(ledger, names, &mut left).await? {
                counting.insert(commit.name.to_string());
                counting.extend(commit.footer.letters);
            }
        }
        if let Some(why) = left.first() {
            return Err(Error::Refused(format!(
                "what counts cannot be told from what does not: {why}"
            )));
        }
        let coverage = &ledger.coverage;
        counting.extend(coverage.objects().map(|object| object.path().to_string()));
        counting.extend(coverage.letters().map(|letters| letters.path.clone()));
        Ok(counting)
    }
}

/// Returns true if a path is one that this program gives to objects.
fn is_own(path: &str) -> bool {
    ObjectName::parse(path).is_some() || named_digits(path).is_some()
}

impl Forgotten {
    /// Returns true if one of the requests reaches to that offset.
    pub(super) fn reaches(&self, partition: Partition, at: Offset) -> bool {
        self.rule(partition, at).is_some()
    }
}
