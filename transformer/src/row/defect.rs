//! Why a record cannot become a row.

use sink::{DeadLetter, Reason};
use topic::Record;

/// Why a record cannot become a row: a value, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The reason.
    pub reason: Reason,
    /// What exactly was wrong, and where.
    pub detail: String,
    /// The event's id as the lake keeps it; `None` if it could not be read.
    pub event_id: Option<String>,
    /// Which of the event's items the record is; `None` if the event is one record.
    pub item: Option<u32>,
}

impl Defect {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            event_id: None,
            item: None,
        }
    }

    /// The dead letter that keeps the record.
    #[must_use]
    pub fn letter(self, record: &Record) -> DeadLetter {
        DeadLetter {
            offset: record.offset,
            appended_at: record.appended_at,
            event_id: self.event_id,
            item: self.item,
            reason: self.reason,
            detail: self.detail,
            raw: record.value.clone(),
        }
    }
}
