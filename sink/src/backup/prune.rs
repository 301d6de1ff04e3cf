//! Deletes old backups, and the contents that no other names.

use std::collections::BTreeSet;
use std::time::Duration;

use topic::Timestamp;

use super::store::BackupStore;
use crate::Error;

/// What no backup names is deleted when it is so old: until then it may be of one that is being made.
const UNNAMED_AGE: Duration = Duration::from_hours(24 * 7);

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups.
    pub backups: u64,
    /// Contents that none of the others names.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BackupStore {
    /// Deletes all backups but the newest ones, what only they named, and what runs that were cut
    /// off have left.
    pub(super) async fn prune(&self, keep: usize, now: Timestamp) -> Result<Pruned, Error> {
        let backups = self.backups().await?;
        let (old, kept) = backups.split_at(backups.len().saturating_sub(keep.max(1)));
        let mut needed = BTreeSet::new();
        for backup in kept {
            needed.insert(backup.list.clone());
            let list = self.list(backup).await?;
            needed.extend(list.into_iter().map(|object| object.hash));
        }
        let (mut old_hashes, mut lists) = (BTreeSet::new(), BTreeSet::new());
        for backup in old {
            // A list that cannot be read names nothing.
            let list = self.list(backup).await.unwrap_or_default();
            old_hashes.extend(list.into_iter().map(|object| object.hash));
            lists.insert(backup.list.clone());
        }
        let mut pruned = Pruned::default();
        let mut last = Vec::new();
        for (hash, content) in self.contents().await? {
            let age = now.micros().saturating_sub(content.written.micros());
            let is_old = Duration::from_micros(age.max(0).unsigned_abs()) > UNNAMED_AGE;
            if needed.contains(&hash) {
                continue;
            }
            if lists.contains(&hash) {
                last.push((hash, content.bytes));
            } else if old_hashes.contains(&hash) || is_old {
                self.drop_content(&hash).await?;
                pruned.objects += 1;
                pruned.bytes += content.bytes;
            }
        }
        // As long as a backup is there, its list says what is still to be deleted of it.
        for backup in old {
            self.withdraw(backup).await?;
            pruned.backups += 1;
        }
        for (hash, bytes) in last {
            self.drop_content(&hash).await?;
            pruned.objects += 1;
            pruned.bytes += bytes;
        }
        Ok(pruned)
    }
}
