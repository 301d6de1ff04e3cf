//! One thing that an audit found: where, what, and how it is mended.

use std::fmt;

use serde::{Deserialize, Serialize};
use topic::{Offset, Partition, Watermarks};

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The object's path in the lake; `None` if no object is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The topic's partition; `None` if it concerns none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// The offsets `[first, end)`; `None` if it concerns none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offsets: Option<(Offset, Offset)>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Finding {
    /// A finding without a place.
    #[must_use]
    pub fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            object: None,
            partition: None,
            offsets: None,
            what: what.into(),
            mend: mend.into(),
        }
    }

    /// Names the object.
    #[must_use]
    pub fn object(mut self, path: impl Into<String>) -> Self {
        self.object = Some(path.into());
        self
    }

    /// Names the offsets `[first, end)` of a partition.
    #[must_use]
    pub const fn range(mut self, partition: Partition, first: Offset, end: Offset) -> Self {
        self.partition = Some(partition);
        self.offsets = Some((first, end));
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if let Some(partition) = self.partition {
            write!(f, "partition {partition}: ")?;
        }
        if let Some((first, end)) = self.offsets {
            write!(f, "offsets {first}..{end}: ")?;
        }
        write!(f, "{}; to mend it: {}", self.what, self.mend)
    }
}

/// How the records from `first` on come back when the object that held them cannot be read.
#[must_use]
pub fn restore(first: Offset, marks: Option<&Watermarks>) -> &'static str {
    match marks {
        Some(marks) if marks.low <= first => {
            "`clickweir repair` rebuilds it from the topic, which still holds its records; or put it \
             back from a copy"
        }
        _ => {
            "put it back from a copy, since the topic no longer holds its records; or `clickweir \
             repair --give-up` records that they are lost"
        }
    }
}
