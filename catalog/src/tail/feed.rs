//! A live feed of clicks, pushed as the tail takes them.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use sink::Timestamp;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use crate::rollup::dimension::short_value;

/// How many clicks a batch has at most: more could not be read.
const MAX_BATCH_CLICKS: usize = 50;
/// The least time between two batches. Clicks of that time are pushed together, so that a hundred
/// watchers of ten thousand clicks a second cost little.
const BATCH_INTERVAL: Duration = Duration::from_millis(100);

/// One click that has just arrived, in the lake's columns. Long values are cut.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// When it was appended to the topic, as RFC 3339.
    pub appended_at: Option<String>,
    /// `action`.
    pub action: Option<String>,
    /// `product_id`.
    pub product_id: Option<String>,
    /// `product_name`.
    pub product_name: Option<String>,
    /// `country`.
    pub country: Option<String>,
    /// `path`.
    pub path: Option<String>,
}

/// The clicks that arrived since the batch before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ArrivalBatch {
    /// The newest clicks, newest last.
    pub clicks: Vec<Arrival>,
    /// How many others arrived.
    pub more: u64,
}

/// The clicks that the tail takes, in batches.
#[derive(Debug)]
pub struct ArrivalFeed {
    rows: broadcast::Receiver<RecordBatch>,
    /// The newest rows for the next batch, oldest first.
    newest: VecDeque<RecordBatch>,
    /// How many rows the next batch counts.
    count: usize,
    /// When the next batch may come.
    due: Instant,
}

impl ArrivalFeed {
    pub(crate) fn new(rows: broadcast::Receiver<RecordBatch>) -> Self {
        Self {
            rows,
            newest: VecDeque::new(),
            count: 0,
            due: Instant::now(),
        }
    }

    /// The next batch. `None` when the catalog is gone. It is cancel-safe: a later call returns
    /// what a dropped one had received.
    pub async fn next(&mut self) -> Option<ArrivalBatch> {
        while self.count == 0 {
            let rows = self.rows.recv().await;
            self.take(rows)?;
        }
        while let Ok(rows) = timeout_at(self.due, self.rows.recv()).await {
            if self.take(rows).is_none() {
                break;
            }
        }
        self.due = Instant::now() + BATCH_INTERVAL;
        let clicks: Vec<Arrival> = self.newest.iter().flat_map(arrivals).collect();
        let clicks = clicks[clicks.len().saturating_sub(MAX_BATCH_CLICKS)..].to_vec();
        let more = (self.count - clicks.len()) as u64;
        self.newest.clear();
        self.count = 0;
        Some(ArrivalBatch { clicks, more })
    }

    /// Keeps rows for the next batch. `None` if the feed has ended.
    fn take(&mut self, received: Result<RecordBatch, RecvError>) -> Option<()> {
        match received {
            Ok(rows) => {
                self.count += rows.num_rows();
                self.newest.push_back(rows);
                let mut kept: usize = self.newest.iter().map(RecordBatch::num_rows).sum();
                while let Some(oldest) = self.newest.front()
                    && kept - oldest.num_rows() >= MAX_BATCH_CLICKS
                {
                    kept -= oldest.num_rows();
                    self.newest.pop_front();
                }
                Some(())
            }
            // The lake has what was missed; the feed goes on with what is new.
            Err(RecvError::Lagged(_)) => Some(()),
            Err(RecvError::Closed) => None,
        }
    }
}

/// The newest clicks of some rows.
fn arrivals(rows: &RecordBatch) -> Vec<Arrival> {
    let count = rows.num_rows().min(MAX_BATCH_CLICKS);
    let newest = rows.slice(rows.num_rows() - count, count);
    let options = FormatOptions::new().with_display_error(true);
    let text = |column: &str, row: usize| {
        let values = newest
            .column_by_name(column)
            .filter(|all| all.is_valid(row))?;
        let text = ArrayFormatter::try_new(values.as_ref(), &options).ok()?;
        Some(short_value(&text.value(row).to_string()))
    };
    let appended = newest.column_by_name("appended_at");
    let appended = appended.and_then(|all| all.as_primitive_opt::<TimestampMicrosecondType>());
    let arrival = |row| Arrival {
        appended_at: appended.map(|all| Timestamp::from_micros(all.value(row)).to_string()),
        action: text("action", row),
        product_id: text("product_id", row),
        product_name: text("product_name", row),
        country: text("country", row),
        path: text("path", row),
    };
    (0..count).map(arrival).collect()
}
