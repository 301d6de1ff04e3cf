//! Which rows and dead letters of a lake an erasure takes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use topic::{Offset, Partition};

use super::rule::{DropRule, Forgotten};
use crate::Ranges;
use crate::object::swapped::places;
use crate::rewrite::choice::RowRule;

/// Whose a row is: its partition, visitor and user.
type RowOwner<'r> = (Partition, Option<&'r str>, Option<&'r str>);

/// What requests take, partition by partition.
#[derive(Debug)]
pub(crate) struct ErasureRule(BTreeMap<Partition, Arc<DropRule>>);

impl Forgotten {
    /// What these requests take of a lake.
    pub(crate) fn erasure_rule(&self) -> Arc<ErasureRule> {
        let partitions = self.partitions().into_iter();
        let rules = partitions.filter_map(|of| Some((of, self.rule(of, Offset(0))?)));
        Arc::new(ErasureRule(rules.collect()))
    }
}

impl ErasureRule {
    /// All that it can reach into.
    pub(super) fn ranges(&self) -> Ranges {
        let rules = self.0.iter();
        rules
            .map(|(of, rule)| (*of, (Offset(0), rule.until())))
            .collect()
    }
}

impl RowRule for ErasureRule {
    fn columns(&self) -> &'static [&'static str] {
        &["visitor_id", "user_id"]
    }

    fn keeps_rows(&self, rows: &RecordBatch) -> Result<BooleanArray, String> {
        let (visitors, users) = (texts(rows, "visitor_id")?, texts(rows, "user_id")?);
        // Visitors come again and again, and a hash costs more than a look-up.
        let mut known: HashMap<RowOwner<'_>, Option<Offset>> = HashMap::new();
        let places = places(rows)?.into_iter().enumerate();
        let taken = places.map(|(row, (partition, offset))| {
            let Some(rule) = self.0.get(&partition).filter(|rule| offset < rule.until()) else {
                return false;
            };
            let visitor = visitors.is_valid(row).then(|| visitors.value(row));
            let user = users.is_valid(row).then(|| users.value(row));
            let until = known
                .entry((partition, visitor, user))
                .or_insert_with(|| rule.until_of(visitor, user));
            until.is_some_and(|until| offset < until) || rule.lists(offset)
        });
        Ok(taken.map(|taken| Some(!taken)).collect())
    }

    fn keeps_letters(&self, letters: &RecordBatch) -> Result<BooleanArray, String> {
        let raws = letters
            .column_by_name("raw")
            .and_then(|column| column.as_binary_opt::<i32>())
            .ok_or("its raw values are no bytes")?;
        let places = places(letters)?.into_iter().enumerate();
        let taken = places.map(|(row, (partition, offset))| {
            let raw = raws.is_valid(row).then(|| raws.value(row));
            let rule = self.0.get(&partition);
            rule.is_some_and(|rule| rule.takes_letter(offset, None, raw))
        });
        Ok(taken.map(|taken| Some(!taken)).collect())
    }
}

fn texts<'r>(rows: &'r RecordBatch, name: &str) -> Result<&'r StringArray, String> {
    let column = rows.column_by_name(name);
    let column = column.and_then(|column| column.as_string_opt::<i32>());
    column.ok_or_else(|| format!("its column {name} is no text"))
}
