//! A partition's records, read once from its first retained offset on, range by range.

use topic::{Offset, Partition, ReadError, Record, Timestamp, Topic};

/// How many records one fetch asks for; its bytes are bounded by the topic.
const FETCH_RECORDS: usize = 50_000;

/// The records of a partition that are still to be read.
pub(super) struct Records<'a> {
    topic: &'a dyn Topic,
    partition: Partition,
    low: Offset,
    /// The append time of the first record that was read.
    since: Option<Timestamp>,
    at: Offset,
    /// Fetched, and beyond what was asked for last.
    ahead: Vec<Record>,
}

impl<'a> Records<'a> {
    pub(super) const fn new(topic: &'a dyn Topic, partition: Partition, low: Offset) -> Self {
        Self {
            topic,
            partition,
            low,
            since: None,
            at: low,
            ahead: Vec::new(),
        }
    }

    /// Offsets hold nothing here: perhaps retention took them while this was read.
    async fn passed_over(&mut self) -> Result<(), ReadError> {
        let marks = self.topic.watermarks().await?;
        let low = marks.get(&self.partition).map(|marks| marks.low);
        if let Some(low) = low.filter(|low| *low > self.at) {
            self.low = low;
            self.since = None;
        }
        Ok(())
    }

    /// The first offset that the topic holds.
    pub(super) const fn low(&self) -> Offset {
        self.low
    }

    /// The append time of the first record.
    pub(super) const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Up to where records were read.
    pub(super) const fn at(&self) -> Offset {
        self.at
    }

    /// The next records before `end`; `None` if there are no more.
    pub(super) async fn next(&mut self, end: Offset) -> Result<Option<Vec<Record>>, ReadError> {
        if self.at >= end {
            return Ok(None);
        }
        if self.ahead.is_empty() {
            self.ahead = self
                .topic
                .fetch(self.partition, self.at, FETCH_RECORDS)
                .await?;
            if self
                .ahead
                .first()
                .is_none_or(|first| first.offset > self.at)
            {
                self.passed_over().await?;
            }
        }
        let within = self.ahead.partition_point(|record| record.offset < end);
        let beyond = self.ahead.split_off(within);
        let batch = std::mem::replace(&mut self.ahead, beyond);
        let Some(last) = batch.last() else {
            self.at = end;
            return Ok(None);
        };
        self.at = last.offset.next();
        self.since = self.since.or(batch.first().map(|first| first.appended_at));
        Ok(Some(batch))
    }
}
