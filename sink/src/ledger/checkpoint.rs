//! Checkpoints: the ledger's fold, stored now and then, so that a start need not read every entry.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use topic::{Identity, Offset, Partition};

use super::coverage::{Coverage, StoredCoverage};
use super::fold::{Gap, Ledger};
use super::forget::Forgetting;
use super::id::LakeId;
use super::replayed::{Promotion, ReplayOrigin};
use crate::object::footer::{FORMAT, check_format};
use crate::object::names::LEDGER;
use crate::{Error, Lake};

/// A checkpoint is written after this many entries.
pub(super) const CHECKPOINT_ENTRIES: u64 = 100;
/// The largest checkpoint that is read.
const MAX_CHECKPOINT_BYTES: u64 = 256 << 20;
/// What a checkpoint's name begins with.
const CHECKPOINT: &str = "checkpoint-";

/// The fold of the ledger's first entries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerCheckpoint {
    format: u32,
    lake: LakeId,
    topic: Identity,
    firsts: BTreeMap<Partition, Offset>,
    replay: Option<ReplayOrigin>,
    gaps: Vec<(Partition, Offset, Gap)>,
    promotions: Vec<(u64, Promotion)>,
    coverage: StoredCoverage,
    forgets: Vec<Forgetting>,
    next: u64,
}

/// Where the fold of so many entries is.
fn path(entries: u64) -> Path {
    Path::from(format!("{LEDGER}/{CHECKPOINT}{entries:010}.json"))
}

/// How many entries the checkpoint of that path holds; `None` if it is none.
pub(crate) fn checkpoint_entries(path: &Path) -> Option<u64> {
    let name = path.filename()?.strip_prefix(CHECKPOINT)?;
    name.strip_suffix(".json")?.parse().ok()
}

impl Lake {
    /// The newest checkpoint of at most so many entries that can be read; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Unfit`] for one of a newer version, else the store's.
    pub(crate) async fn checkpoint(&self, most: u64) -> Result<Option<Ledger>, Error> {
        // Letters sort behind digits, so the entries themselves are not listed on S3.
        let (folder, after) = (Path::from(LEDGER), format!("{LEDGER}/{CHECKPOINT}"));
        let listed = self
            .store()
            .list_with_offset(Some(&folder), &Path::from(after));
        let listed: Vec<Path> = listed.map_ok(|meta| meta.location).try_collect().await?;
        let known = listed.iter().filter_map(checkpoint_entries);
        let mut known: Vec<u64> = known.filter(|entries| *entries <= most).collect();
        known.sort_unstable();
        for entries in known.into_iter().rev() {
            let path = path(entries);
            let read = match self.read_if_there(&path, MAX_CHECKPOINT_BYTES).await {
                Ok(Some(bytes)) => serde_json::from_slice::<LedgerCheckpoint>(&bytes)
                    .map_err(|error| error.to_string()),
                Ok(None) => continue,
                Err(Error::Damaged { detail, .. }) => Err(detail),
                Err(error) => return Err(error),
            };
            match read {
                Ok(newer) if newer.format > FORMAT => {
                    check_format(&format!("the lake at {}", self.location()), newer.format)?;
                }
                Ok(checkpoint) if checkpoint.next == entries && checkpoint.format == FORMAT => {
                    return Ok(Some(checkpoint.into()));
                }
                Ok(_) => tracing::warn!(%path, "the checkpoint does not fit its name"),
                // The entries that it was made of are still there.
                Err(why) => tracing::warn!(%path, why, "the checkpoint cannot be read"),
            }
        }
        Ok(None)
    }

    /// Stores the fold. Of several that do so at once all store the same.
    pub(super) async fn write_checkpoint(&self, ledger: &Ledger) -> Result<(), Error> {
        let checkpoint = LedgerCheckpoint::from(ledger);
        let json = serde_json::to_vec(&checkpoint).expect("a checkpoint is plain text and numbers");
        self.create(&path(ledger.next), json.into()).await?;
        Ok(())
    }
}

impl From<&Ledger> for LedgerCheckpoint {
    fn from(ledger: &Ledger) -> Self {
        let gaps = ledger.gaps.iter();
        Self {
            format: FORMAT,
            lake: ledger.lake,
            topic: ledger.topic.clone(),
            firsts: ledger.firsts.clone(),
            replay: ledger.replay.clone(),
            gaps: gaps.map(|(&(of, first), gap)| (of, first, *gap)).collect(),
            promotions: ledger.promotions.clone(),
            coverage: ledger.coverage.stored(),
            forgets: ledger.forgets.clone(),
            next: ledger.next,
        }
    }
}

impl From<LedgerCheckpoint> for Ledger {
    fn from(stored: LedgerCheckpoint) -> Self {
        let gaps = stored.gaps.into_iter();
        Self {
            lake: stored.lake,
            topic: stored.topic,
            firsts: stored.firsts,
            replay: stored.replay,
            gaps: gaps.map(|(of, first, gap)| ((of, first), gap)).collect(),
            promotions: stored.promotions,
            coverage: Coverage::restored(stored.coverage),
            forgets: stored.forgets,
            next: stored.next,
        }
    }
}
