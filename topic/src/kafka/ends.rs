//! Where the records of a partition end. The brokers' last offsets may hold none: the marks at
//! the end of a transaction, and what was written in one that was aborted. Nothing ever waits there.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::fetch::Fetchers;
use crate::{Offset, Partition, ReadError, Watermarks};

/// How many partitions may all be looked into at each call, at rest or not.
const MAX_LOOKS: usize = 16;
/// How many records a look reads at a time.
const LOOK_RECORDS: usize = 1_000;

/// The ends that are known, each with the high watermark for which it was found.
#[derive(Default)]
pub(super) struct RecordEnds(Mutex<BTreeMap<Partition, KnownEnd>>);

struct KnownEnd {
    high: Offset,
    /// `None` until the partition was found at rest.
    end: Option<Offset>,
}

impl RecordEnds {
    /// Lowers each high watermark to the end of the records. Of many partitions only those at rest
    /// are looked into, since in others more follows: those whose high watermark is that of the
    /// last call. One that cannot be read keeps its high watermark. Blocks.
    pub(super) fn lower(&self, fetchers: &Fetchers, marks: &mut BTreeMap<Partition, Watermarks>) {
        let few = marks.len() <= MAX_LOOKS;
        for (&partition, marks) in marks {
            let known = {
                let known = self.0.lock();
                known.get(&partition).map(|known| (known.high, known.end))
            };
            let rests = known.is_some_and(|(high, _)| high == marks.high);
            let end = match known {
                Some((_, Some(end))) if rests => Some(end),
                _ if rests || few => look(fetchers, partition, *marks).ok(),
                _ => None,
            };
            let high = marks.high;
            self.0.lock().insert(partition, KnownEnd { high, end });
            // Retention may have passed meanwhile.
            marks.high = end.map_or(high, |end| end.max(marks.low));
        }
    }
}

/// Finds the end of the records: steps back until there are some, then reads on to the last.
fn look(fetchers: &Fetchers, partition: Partition, marks: Watermarks) -> Result<Offset, ReadError> {
    let mut step = 1;
    let mut from = marks.high;
    let mut end = None;
    while end.is_none() && from > marks.low {
        from = Offset(marks.high.0.saturating_sub(step)).max(marks.low);
        step *= 8;
        let mut next = from;
        loop {
            let records = fetchers.fetch(partition, next, LOOK_RECORDS)?;
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            end = Some(next);
        }
    }
    Ok(end.unwrap_or(marks.low))
}
