//! Which clicks a panel counts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sink::Timestamp;

use crate::rollup::dimension::{Dimension, short_value};

/// Clicks whose `occurred_at` is in `[from, to)` and whose dimensions have these values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// From when.
    pub from: Timestamp,
    /// Until when (exclusive).
    pub to: Timestamp,
    /// The values of dimensions; `None` is for clicks that have no value.
    pub only: BTreeMap<Dimension, Option<String>>,
}

impl Filter {
    /// The same filter, so much earlier.
    #[must_use]
    pub fn earlier(&self, by: Duration) -> Self {
        Self {
            from: self.from.minus(by),
            to: self.to.minus(by),
            only: self.only.clone(),
        }
    }

    /// The same filter without a dimension's condition.
    #[must_use]
    pub fn without(&self, dimension: Dimension) -> Self {
        let mut wider = self.clone();
        wider.only.remove(&dimension);
        wider
    }

    /// Its range of `occurred_at`.
    pub(crate) const fn range(&self) -> (Timestamp, Timestamp) {
        (self.from, self.to)
    }

    /// The condition on the dimensions' columns, and its parameters.
    pub(crate) fn condition(&self) -> (String, Vec<String>) {
        let mut condition = String::from("true");
        let mut values = Vec::new();
        for (dimension, value) in &self.only {
            let name = dimension.name();
            match value {
                Some(value) => {
                    condition.push_str(&format!(" AND {name} = ?"));
                    values.push(short_value(value));
                }
                None => condition.push_str(&format!(" AND {name} IS NULL")),
            }
        }
        (condition, values)
    }
}
