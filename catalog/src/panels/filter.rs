//! Which clicks a panel counts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sink::Timestamp;

use crate::rollup::dimension::Dimension;

/// `occurred_at` in `[from, to)`, and equal to what is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// From when.
    pub from: Timestamp,
    /// Until when (exclusive).
    pub to: Timestamp,
    /// Only clicks of these values; none stands for clicks without any.
    pub only: BTreeMap<Dimension, Option<String>>,
}

impl Filter {
    /// The same, so much earlier.
    #[must_use]
    pub fn earlier(&self, by: Duration) -> Self {
        Self {
            from: self.from.minus(by),
            to: self.to.minus(by),
            only: self.only.clone(),
        }
    }

    /// The same without a dimension's condition.
    #[must_use]
    pub fn without(&self, dimension: Dimension) -> Self {
        let mut wider = self.clone();
        wider.only.remove(&dimension);
        wider
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
                    values.push(value.clone());
                }
                None => condition.push_str(&format!(" AND {name} IS NULL")),
            }
        }
        (condition, values)
    }
}
