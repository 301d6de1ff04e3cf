//! Ids are distinct within the window: of two rows with one id, the later one should have been
//! a duplicate.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use topic::clock::STEP_BACK;
use topic::{Offset, Partition, Timestamp};

use super::finding::Finding;
use crate::object::contents::RowRecords;
use crate::{Footer, ObjectName};

/// The rule that decided which records are duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowRule {
    /// An id that was seen within this much append time …
    pub within: Duration,
    /// … and within this many offsets is a duplicate.
    pub records: u64,
    /// What the footers of objects call this rule: others were decided by another one, which is not
    /// known any more.
    pub hash: String,
}

/// The ids of one partition's last range of records.
#[derive(Debug)]
pub struct RecentIds {
    within: Duration,
    records: u64,
    /// The range, oldest first.
    seen: VecDeque<([u8; 16], Offset)>,
    /// The last record of each id. The hasher is keyed at random, since clients choose their ids.
    last: HashMap<[u8; 16], Twin>,
}

/// An earlier record of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twin {
    /// Its offset.
    pub offset: Offset,
    /// When it was appended to the topic.
    pub appended_at: Timestamp,
    /// Where the object of its range begins.
    pub object: Offset,
}

impl RecentIds {
    /// An empty one.
    #[must_use]
    pub fn new(window: &WindowRule) -> Self {
        Self {
            within: window.within,
            records: window.records,
            seen: VecDeque::new(),
            last: HashMap::new(),
        }
    }

    /// Notes a record, in the order of offsets. Returns the last one with its id; `None` if there is
    /// none within the window.
    pub fn take(&mut self, id: [u8; 16], record: Twin) -> Option<Twin> {
        self.forget(record);
        self.seen.push_back((id, record.offset));
        let twin = self.last.insert(id, record)?;
        self.near(twin, record, self.within).then_some(twin)
    }

    /// Append times may step back a little, so more is kept.
    fn forget(&mut self, record: Twin) {
        while let Some((id, offset)) = self.seen.front() {
            let last = self.last.get(id).filter(|last| last.offset == *offset);
            if let Some(&last) = last {
                if self.near(last, record, self.within + STEP_BACK) {
                    break;
                }
                self.last.remove(id);
            }
            self.seen.pop_front();
        }
    }

    fn near(&self, twin: Twin, record: Twin, within: Duration) -> bool {
        twin.offset.distance(record.offset) <= self.records
            && record.appended_at.since(twin.appended_at) <= within
    }
}

/// What an object's rows came to.
pub(super) enum Judged {
    /// It was decided by another configuration.
    Unknown,
    /// So many of its rows repeat an id; the finding names the first.
    Repeated(u64, Option<Finding>),
}

/// Judges the rows of the partitions' objects, one after the other.
pub(super) struct Ids {
    window: WindowRule,
    partition: Option<Partition>,
    recent: RecentIds,
}

impl Ids {
    pub(super) fn new(window: WindowRule) -> Self {
        Self {
            recent: RecentIds::new(&window),
            partition: None,
            window,
        }
    }

    /// A partition's next object: how many of its rows repeat an id.
    pub(super) fn judge(&mut self, name: ObjectName, footer: &Footer, rows: &RowRecords) -> Judged {
        if self.partition != Some(footer.partition) {
            self.partition = Some(footer.partition);
            self.recent = RecentIds::new(&self.window);
        }
        let judged = footer.window_hash() == self.window.hash;
        let (mut repeated, mut told) = (0, None);
        let columns = rows.ids.iter().zip(&rows.offsets).zip(&rows.appended);
        for ((&id, &offset), &appended_at) in columns {
            let row = Twin {
                offset,
                appended_at,
                object: footer.first,
            };
            let Some(twin) = self.recent.take(id, row) else {
                continue;
            };
            // If retention had cut the range, the worker could not see earlier objects.
            if judged && !(footer.window_cut && twin.object != footer.first) {
                repeated += 1;
                told.get_or_insert((offset, twin.offset, id));
            }
        }
        if !judged {
            return Judged::Unknown;
        }
        let finding = told.map(|(offset, twin, id)| {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            Finding::new(
                format!(
                    "{repeated} of its rows repeat the id of a row shortly before; the first is \
                     {id}, at offsets {twin} and {offset}"
                ),
                format!(
                    "`clickweir audit --deep` tells which of them is no record of the topic's; \
                     replay the range of that one, or of {name} while the topic holds it"
                ),
            )
            .object(name.to_string())
            .range(footer.partition, offset, offset.next())
        });
        Judged::Repeated(repeated, finding)
    }
}
