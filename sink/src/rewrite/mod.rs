//! Rewriting: the one way in which rows of a lake get other objects. What counts is read once, the
//! rows that stay are chosen, sorted and written, and what was written is read back and proved.
//! Compaction, retention, promotion, rollback and erasure differ in what they take and choose.

pub(crate) mod choice;
pub(crate) mod counted;
mod letters;
mod look;
mod part;
mod rows;
pub(crate) mod scope;
pub(crate) mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use topic::{Offset, Partition};

use self::part::wrong;
use self::rows::SortedRows;
use self::scope::joined;
use self::source::RewriteSource;
use crate::object::sort::limits::SortLimits;
use crate::object::swapped::RangeSums;
use crate::{CoveredRange, Error, Lake, Making, RangeCounts, RowDigest};

impl Lake {
    /// Writes what takes the place of `own`, which is of this lake, and says all that the swap says.
    /// `others` give rows and letters for the offsets that `own` leaves. `limits` says how many rows are
    /// sorted at once. Returns how many rows and letters a rule took out.
    ///
    /// # Errors
    /// [`Error::Damaged`] for what cannot be read or does not hold what it should, else the store's.
    pub(crate) async fn rewrite(
        &self,
        making: &mut Making,
        own: RewriteSource<'_>,
        others: Vec<RewriteSource<'_>>,
        limits: SortLimits,
    ) -> Result<u64, Error> {
        let mut ranges = joined(&own.scope.ranges(own.ledger));
        let mut rows = SortedRows::new(self, &own.ledger.topic, &ranges, limits);
        let mut staying: BTreeMap<(Partition, Offset), (RangeCounts, RowDigest)> = BTreeMap::new();
        let (mut letters, mut removed) = (Vec::new(), 0);
        let others = others.into_iter().map(|other| (other, false));
        for (source, is_own) in std::iter::once((own, true)).chain(others) {
            let mut parts = source.parts();
            let replaced;
            (replaced, parts, rows) = source.read_rows(self, parts, rows).await?;
            if is_own {
                replaced.into_iter().for_each(|one| making.replace(one));
            }
            let kept;
            (kept, parts) = source.read_letters(making, is_own, parts).await?;
            letters.extend(kept);
            removed += parts.removed();
            for part in parts.staying()? {
                let at = (part.partition, part.first);
                let begun = ranges.partition_point(|range| (range.partition, range.first) <= at);
                let range = ranges[..begun].last();
                let holds = |range: &&CoveredRange| range.meets(at.0, (at.1, at.1.next()));
                let range = range.filter(holds).ok_or_else(|| outside(at))?;
                let of = staying.entry((range.partition, range.first)).or_default();
                of.0.add(&part.counts);
                of.1 = of.1.plus(part.digest);
            }
        }
        let written = rows.finish(self, making).await?;
        for range in &mut ranges {
            let at = (range.partition, range.first);
            (range.counts, range.digest) = staying.remove(&at).unwrap_or_default();
            prove(range, &written)?;
        }
        making.cover(ranges, letters);
        Ok(removed)
    }
}

/// What was written is what stays, and the range's counts make it up.
fn prove(range: &CoveredRange, written: &RangeSums) -> Result<(), Error> {
    let (of, first) = (range.partition, range.first);
    if let Some(stray) = written.stray() {
        return Err(outside(stray));
    }
    if written.sum(of, first) != (range.digest, range.counts.rows()) {
        return Err(wrong(format!(
            "the rows of partition {of} from {first} on are not those that were read, or that their \
             swap counts"
        )));
    }
    let (spanned, total) = (first.distance(range.end), range.counts.total());
    if spanned != total {
        return Err(wrong(format!(
            "partition {of} from {first} on has {spanned} offsets, and {total} are counted"
        )));
    }
    Ok(())
}

fn outside((partition, offset): (Partition, Offset)) -> Error {
    wrong(format!(
        "offset {offset} of partition {partition} is out of every range"
    ))
}
