//! One object against the records of its range, in the order of offsets.

use std::sync::Arc;

use sink::audit::{Finding, RecentIds, Twin, WindowRule};
use sink::{Contents, DropRule, ObjectName};
use topic::{Offset, Record};

use super::decode::{Decoded, decode};
use super::records::Records;
use super::report::Deep;

/// How many findings of one object are reported one by one.
const MAX_FINDINGS: u64 = 3;

/// By what it is judged that a record is not in the lake.
pub(super) struct AbsenceJudge<'a> {
    pub(super) window: &'a WindowRule,
    /// What somebody asked to be erased. `None` if that is nothing of this object.
    pub(super) drops: Option<Arc<DropRule>>,
    /// True if retention has cut the beginning of the partition.
    pub(super) cut: bool,
}

/// An object, compared as far as its records came.
pub(super) struct Check<'a> {
    deep: &'a mut Deep,
    name: ObjectName,
    contents: &'a Contents,
    judge: AbsenceJudge<'a>,
    /// Where the object before ended: what this one holds below is in that one too.
    from: Offset,
    /// The next row and the next letter.
    row: usize,
    letter: usize,
    /// Records of the range so far, and those of them that are neither row nor letter.
    records: u64,
    neither: u64,
    dropped: u64,
    told: u64,
}

pub(super) fn twin(record: &Record, object: Offset) -> Twin {
    Twin {
        offset: record.offset,
        appended_at: record.appended_at,
        object,
    }
}

impl<'a> Check<'a> {
    pub(super) fn new(
        deep: &'a mut Deep,
        name: ObjectName,
        contents: &'a Contents,
        from: Offset,
        judge: AbsenceJudge<'a>,
    ) -> Self {
        Self {
            deep,
            name,
            contents,
            judge,
            from,
            row: 0,
            letter: 0,
            records: 0,
            neither: 0,
            dropped: 0,
            told: 0,
        }
    }

    /// The next record of the range.
    pub(super) fn record(
        &mut self,
        record: &Record,
        recent: &mut RecentIds,
        records: &Records<'_>,
    ) {
        self.pass(record.offset, recent, records);
        self.records += 1;
        self.deep.records += 1;
        let decoded = decode(record.value.as_deref());
        let seen = decoded.as_ref().and_then(|decoded| {
            recent.take(decoded.identity, twin(record, self.contents.footer.first))
        });
        let (rows, letters) = (&self.contents.rows, &self.contents.letters);
        let is_row = rows.offsets.get(self.row) == Some(&record.offset);
        let is_letter = letters
            .get(self.letter)
            .is_some_and(|l| l.offset == record.offset);
        if is_row {
            self.row(record, decoded.as_ref());
        }
        if is_letter {
            self.letter(record, decoded.as_ref());
        }
        if is_row || is_letter {
            self.unseen(record, seen);
        } else {
            let hidden = decoded.is_some() && self.is_hidden(record, records);
            self.neither(record, hidden, seen);
        }
        if self.contents.footer.end == record.offset.next()
            && self.contents.footer.appended_at != record.appended_at
        {
            let said = self.contents.footer.appended_at;
            let what = format!(
                "its last record was appended at {}, its footer says {said}",
                record.appended_at
            );
            self.find(record.offset, what);
        }
    }

    /// No record of the range is left.
    pub(super) fn end(mut self, recent: &mut RecentIds, records: &Records<'_>) {
        let footer = &self.contents.footer;
        self.pass(footer.end, recent, records);
        if footer.first < records.low() || footer.first < self.from {
            return;
        }
        let counts = footer.counts;
        let absent = footer.first.distance(footer.end) - self.records;
        if (self.neither, absent) != (counts.duplicates + counts.dropped, counts.absent) {
            let what = format!(
                "its footer counts {} duplicates, {} dropped and {} absent; of the topic's \
                 records {} are neither row nor letter, and {absent} offsets hold none",
                counts.duplicates, counts.dropped, counts.absent, self.neither
            );
            let finding = Finding::new(what, self.again())
                .object(self.name.to_string())
                .range(footer.partition, footer.first, footer.end);
            self.deep.findings.push(finding);
        }
    }

    /// Rows and letters before `offset` that were not met: their records left the topic, or
    /// there never were any.
    fn pass(&mut self, offset: Offset, recent: &mut RecentIds, records: &Records<'_>) {
        let contents = self.contents;
        let rows = &contents.rows;
        while let Some(&at) = rows.offsets.get(self.row).filter(|at| **at < offset) {
            let appended_at = rows.appended[self.row];
            if at < records.low() {
                self.deep.gone += 1;
                let object = contents.footer.first;
                let record = Twin {
                    offset: at,
                    appended_at,
                    object,
                };
                recent.take(rows.ids[self.row], record);
            } else {
                self.stranger(at, "a row");
            }
            self.row += 1;
        }
        while let Some(letter) = contents.letters.get(self.letter)
            && letter.offset < offset
        {
            if letter.offset < records.low() {
                self.deep.gone += 1;
            } else {
                self.stranger(letter.offset, "a dead letter");
            }
            self.letter += 1;
        }
    }

    fn stranger(&mut self, at: Offset, what: &str) {
        self.deep.strangers += 1;
        let what = if at < self.from {
            format!("{what} whose record another object holds too")
        } else {
            format!("{what} where the topic has no record")
        };
        self.find(at, what);
    }

    fn row(&mut self, record: &Record, decoded: Option<&Decoded>) {
        let rows = &self.contents.rows;
        let (id, at) = (rows.ids[self.row], rows.appended[self.row]);
        self.row += 1;
        self.deep.rows += 1;
        let wrong = match decoded {
            None => "its record has no id",
            Some(decoded) if decoded.identity != id => "its record has another id",
            Some(decoded) if !decoded.is_click => "its record is no click",
            Some(_) if at != record.appended_at => "its record was appended at another time",
            Some(_) => return,
        };
        self.deep.strangers += 1;
        self.find(record.offset, format!("a row, but {wrong}"));
    }

    fn letter(&mut self, record: &Record, decoded: Option<&Decoded>) {
        let letter = &self.contents.letters[self.letter];
        self.letter += 1;
        self.deep.dead_letters += 1;
        let wrong = if letter.raw != record.value {
            "its record holds other bytes"
        } else if letter.event_id != decoded.map(|decoded| decoded.id) {
            "its record has another id"
        } else {
            return;
        };
        self.deep.strangers += 1;
        self.find(record.offset, format!("a dead letter, but {wrong}"));
    }

    /// A record that is in the lake must not be a duplicate.
    fn unseen(&mut self, record: &Record, seen: Option<Twin>) {
        let footer = &self.contents.footer;
        let judged = footer.window_hash() == self.judge.window.hash;
        // If retention had cut the range, the worker could not see earlier objects.
        if let Some(twin) = seen
            && judged
            && !(footer.window_cut && twin.object != footer.first)
        {
            self.deep.strangers += 1;
            let what = format!("it is there, but its id was seen at offset {}", twin.offset);
            self.find(record.offset, what);
        }
    }

    /// Returns true if a record's twin may have left the topic, or been seen through another window.
    fn is_hidden(&self, record: &Record, records: &Records<'_>) -> bool {
        let (footer, window) = (&self.contents.footer, self.judge.window);
        let near = records.low().distance(record.offset) <= window.records
            && records
                .since()
                .is_some_and(|since| record.appended_at.since(since) <= window.within);
        (self.judge.cut && near) || footer.window_hash() != window.hash
    }

    /// Returns true if somebody asked to be erased, and is named in the record's key or in one of
    /// its texts: that alone is looked at here, and not which column a text is of.
    fn is_erased(&self, record: &Record) -> bool {
        let drops = self.judge.drops.as_ref();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        drops.is_some_and(|drops| drops.takes_letter(record.offset, key, value))
    }

    /// A record that is not in the lake must be a duplicate, or dropped.
    fn neither(&mut self, record: &Record, hidden: bool, seen: Option<Twin>) {
        self.neither += 1;
        let footer = &self.contents.footer;
        if seen.is_some() {
            self.deep.duplicates += 1;
        } else if self.dropped < footer.counts.dropped && self.is_erased(record) {
            self.dropped += 1;
            self.deep.dropped += 1;
        } else if hidden {
            self.deep.unproven += 1;
        } else {
            self.deep.missing += 1;
            let what = "its record is neither row nor dead letter, and no duplicate";
            self.find(record.offset, what.to_owned());
        }
    }

    /// Notes a finding at an offset; of one object only the first few.
    fn find(&mut self, at: Offset, what: String) {
        self.told += 1;
        if self.told > MAX_FINDINGS {
            return;
        }
        let finding = Finding::new(what, self.again())
            .object(self.name.to_string())
            .range(self.name.partition, at, at.next());
        self.deep.findings.push(finding);
    }

    fn again(&self) -> String {
        let footer = &self.contents.footer;
        format!(
            "read its range again while the topic holds it: `clickweir replay --into NAME \
             --partition {} --from-offset {} --to-offset {}`, then `clickweir promote NAME`",
            footer.partition, footer.first, footer.end
        )
    }
}
