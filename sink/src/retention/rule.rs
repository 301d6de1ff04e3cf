//! Which rows and dead letters are too old.

use std::time::Duration;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use serde::Deserialize;
use topic::Timestamp;

use crate::Error;
use crate::rewrite::choice::RowRule;

/// The least time that a rule may keep: what is younger may be on its way.
const MIN_AGE: Duration = Duration::from_hours(24);

/// A section `[[retention]]`: what is kept for how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// Rows that occurred before so long, and dead letters that arrived before, are taken out.
    #[serde(with = "humantime_serde")]
    pub older_than: Duration,
    /// Only rows of these actions; all rows, and dead letters, if there are none.
    #[serde(default)]
    pub actions: Vec<String>,
}

impl RetentionRule {
    /// Checks what a configuration says.
    ///
    /// # Errors
    /// [`Error::Refused`] with what to write instead.
    pub fn check(&self) -> Result<(), Error> {
        if self.older_than < MIN_AGE {
            return Err(Error::Refused(format!(
                "older_than is {}, and what is younger than a day may be on its way; write 1day or \
                 more",
                humantime::format_duration(self.older_than)
            )));
        }
        Ok(())
    }
}

/// The rules at a moment.
#[derive(Debug)]
pub(super) struct ExpiryRule {
    /// Before when rows expire, and of which actions; of all if there are none.
    rows: Vec<(Timestamp, Vec<String>)>,
    /// Before when dead letters do.
    letters: Option<Timestamp>,
}

impl ExpiryRule {
    pub(super) fn new(rules: &[RetentionRule], now: Timestamp) -> Self {
        let rows = rules.iter();
        let rows = rows.map(|rule| (now.minus(rule.older_than), rule.actions.clone()));
        let rows: Vec<_> = rows.collect();
        let letters = rows.iter().filter(|(_, actions)| actions.is_empty());
        Self {
            letters: letters.map(|(before, _)| *before).max(),
            rows,
        }
    }

    /// Returns true if an object whose oldest row occurred then may hold rows that are too old.
    pub(super) fn may_take_rows(&self, oldest: Timestamp) -> bool {
        self.rows.iter().any(|(before, _)| oldest < *before)
    }

    /// Returns true if an object whose last letter arrived then may hold letters that are too old.
    pub(super) fn may_take_letters(&self) -> bool {
        self.letters.is_some()
    }
}

impl RowRule for ExpiryRule {
    fn columns(&self) -> &'static [&'static str] {
        &["action", "occurred_at"]
    }

    fn keeps_rows(&self, rows: &RecordBatch) -> Result<BooleanArray, String> {
        let moments = moments(rows, "occurred_at")?;
        let actions: &StringArray = rows
            .column_by_name("action")
            .and_then(|column| column.as_string_opt::<i32>())
            .ok_or("its actions are no text")?;
        let keeps = moments.iter().enumerate().map(|(row, moment)| {
            let action = actions.is_valid(row).then(|| actions.value(row));
            let is_of = |of: &[String]| {
                of.is_empty() || action.is_some_and(|action| of.iter().any(|one| one == action))
            };
            let mut rules = self.rows.iter();
            Some(!rules.any(|(before, of)| *moment < before.micros() && is_of(of)))
        });
        Ok(keeps.collect())
    }

    fn keeps_letters(&self, letters: &RecordBatch) -> Result<BooleanArray, String> {
        let moments = moments(letters, "appended_at")?;
        let moments = moments.iter();
        let too_old = |moment: &i64| self.letters.is_some_and(|before| *moment < before.micros());
        Ok(moments.map(|moment| Some(!too_old(moment))).collect())
    }
}

/// The moments of a column, in microseconds.
fn moments<'r>(rows: &'r RecordBatch, name: &str) -> Result<&'r [i64], String> {
    let column = rows
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(column.ok_or("its times are no microseconds")?.values())
}
