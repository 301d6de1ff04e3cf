//! Which rows and letters stay.

use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use topic::{Offset, Partition};

use crate::object::swapped::places;
use crate::{CoveredRange, Ranges, Removal};

/// Which rows and dead letters of a source stay.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    /// All.
    All,
    /// None, so that nothing is read.
    Nothing,
    /// Those inside these ranges.
    Inside(Ranges),
    /// Those that are not.
    Outside(Ranges),
    /// Those that a rule keeps. The others are counted as it says.
    Ruled(Arc<dyn RowRule>, Removal),
}

/// Which rows and letters stay, row by row.
pub trait RowRule: fmt::Debug + Send + Sync {
    /// The columns of rows that decide.
    fn columns(&self) -> &'static [&'static str];

    /// True for each row of clicks that stays.
    ///
    /// # Errors
    /// What is wrong with the rows.
    fn keeps_rows(&self, rows: &RecordBatch) -> Result<BooleanArray, String>;

    /// True for each dead letter that stays.
    ///
    /// # Errors
    /// What is wrong with the letters.
    fn keeps_letters(&self, letters: &RecordBatch) -> Result<BooleanArray, String>;
}

impl Choice {
    /// How what a rule takes out is counted; `None` without a rule.
    pub(super) const fn removal(&self) -> Option<Removal> {
        match self {
            Self::Ruled(_, removal) => Some(*removal),
            Self::All | Self::Nothing | Self::Inside(_) | Self::Outside(_) => None,
        }
    }

    /// The columns that decide, beside those that say which record a row is.
    pub(super) fn columns(&self) -> &'static [&'static str] {
        match self {
            Self::Ruled(rule, _) => rule.columns(),
            Self::All | Self::Nothing | Self::Inside(_) | Self::Outside(_) => &[],
        }
    }

    /// Returns true if dead letters may go.
    pub(super) const fn chooses(&self) -> bool {
        !matches!(self, Self::All)
    }

    /// Returns true if what is at that offset is not taken out by its place.
    pub(super) fn holds(&self, at: (Partition, Offset)) -> bool {
        match self {
            Self::All | Self::Ruled(..) => true,
            Self::Nothing => false,
            Self::Inside(ranges) => within(ranges, at),
            Self::Outside(ranges) => !within(ranges, at),
        }
    }

    /// Returns true if nothing of a range stays, so that it need not be read.
    pub(super) fn drops(&self, range: &CoveredRange) -> bool {
        match self {
            Self::Nothing => true,
            Self::Outside(ranges) => ranges
                .get(&range.partition)
                .is_some_and(|&(first, end)| first <= range.first && range.end <= end),
            Self::All | Self::Inside(_) | Self::Ruled(..) => false,
        }
    }

    /// The ends of its ranges: where what is read is cut.
    pub(super) fn ends(&self, partition: Partition) -> Vec<Offset> {
        let (Self::Inside(ranges) | Self::Outside(ranges)) = self else {
            return Vec::new();
        };
        let ends = ranges.get(&partition).map(|&(first, end)| [first, end]);
        ends.into_iter().flatten().collect()
    }

    /// True for each row that stays; `None` if all do.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>, String> {
        self.mask(batch, |rule| rule.keeps_rows(batch))
    }

    /// True for each letter that stays; `None` if all do.
    pub(super) fn letters(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>, String> {
        self.mask(batch, |rule| rule.keeps_letters(batch))
    }

    fn mask(
        &self,
        batch: &RecordBatch,
        ruled: impl FnOnce(&dyn RowRule) -> Result<BooleanArray, String>,
    ) -> Result<Option<BooleanArray>, String> {
        let mask = match self {
            Self::All => return Ok(None),
            Self::Ruled(rule, _) => ruled(rule.as_ref())?,
            Self::Nothing | Self::Inside(_) | Self::Outside(_) => {
                let places = places(batch)?.into_iter();
                places.map(|at| Some(self.holds(at))).collect()
            }
        };
        let all = mask.true_count() == mask.len();
        Ok((!all).then_some(mask))
    }
}

fn within(ranges: &Ranges, (partition, at): (Partition, Offset)) -> bool {
    let range = ranges.get(&partition);
    range.is_some_and(|&(first, end)| first <= at && at < end)
}
