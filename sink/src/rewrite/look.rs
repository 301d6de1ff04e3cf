//! A look at an object: how much of it a rule takes out, before anything is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use topic::{Offset, Partition};

use super::choice::RowRule;
use crate::object::contents::batches;
use crate::object::swapped::{PLACE_COLUMNS, places};
use crate::{Error, LETTER_COLUMNS, Lake};

/// How many rows or dead letters of an object a rule takes out.
pub(crate) struct TakenRows {
    pub(crate) all: u64,
    /// Those of them that are at an offset which the topic still holds.
    pub(crate) retained: u64,
}

impl Lake {
    /// How much of an object of rows, or of dead letters, a rule takes out; `lows` says where the
    /// topic begins.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not there or cannot be read, else the store's.
    pub(crate) async fn taken_of(
        &self,
        path: &str,
        is_letters: bool,
        rule: Arc<dyn RowRule>,
        lows: &BTreeMap<Partition, Offset>,
    ) -> Result<TakenRows, Error> {
        let object = self.present(path).await?;
        let lows = lows.clone();
        let work = move || {
            let names: Vec<&str> = match is_letters {
                true => LETTER_COLUMNS.iter().map(|column| column.name).collect(),
                false => [&PLACE_COLUMNS, rule.columns()].concat(),
            };
            let mut taken = TakenRows {
                all: 0,
                retained: 0,
            };
            batches(object, &names, |batch| {
                let mask = match is_letters {
                    true => rule.keeps_letters(batch)?,
                    false => rule.keeps_rows(batch)?,
                };
                if mask.true_count() == batch.num_rows() {
                    return Ok(());
                }
                for (place, stays) in places(batch)?.into_iter().zip(mask.values()) {
                    let low = lows.get(&place.0).copied().unwrap_or_default();
                    taken.all += u64::from(!stays);
                    taken.retained += u64::from(!stays && place.1 >= low);
                }
                Ok(())
            })?;
            Ok(taken)
        };
        self.heavy(path, work).await
    }
}
