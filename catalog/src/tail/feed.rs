//! Clicks as the tail takes them, for whoever watches: pushed, never asked for.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use sink::Timestamp;

use crate::catalog::Catalog;

/// Clicks that a watcher is shown at once: nobody reads more.
const SHOWN: usize = 50;
/// What comes within this time after a watcher was told waits and is told together, so that a
/// hundred watchers of ten thousand clicks a second cost little.
const PAUSE: Duration = Duration::from_millis(100);

/// One click that has just come, as the lake's columns have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// When the topic took it, as RFC 3339.
    pub appended_at: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// With which product.
    pub product_id: Option<String>,
    /// Its name.
    pub product_name: Option<String>,
    /// From where.
    pub country: Option<String>,
    /// On which page.
    pub path: Option<String>,
}

/// What came together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Arrived {
    /// The newest clicks, newest last.
    pub clicks: Vec<Arrival>,
    /// Clicks beside these that are not shown.
    pub more: u64,
}

/// A watcher of the tail.
#[derive(Debug)]
pub struct Arrivals {
    rows: broadcast::Receiver<RecordBatch>,
    /// The newest stretches that he was not told of, as many as can be shown, oldest first.
    untold: VecDeque<RecordBatch>,
    /// How many clicks came that he was not told of.
    came: usize,
    /// When he may be told again.
    due: Instant,
}

impl Arrivals {
    /// What comes next; none when the catalog is gone. Nothing is missed by a caller who gives
    /// up and asks again.
    pub async fn next(&mut self) -> Option<Arrived> {
        while self.came == 0 {
            let rows = self.rows.recv().await;
            self.take(rows)?;
        }
        while let Ok(rows) = timeout_at(self.due, self.rows.recv()).await {
            if self.take(rows).is_none() {
                break;
            }
        }
        self.due = Instant::now() + PAUSE;
        let clicks: Vec<Arrival> = self.untold.iter().flat_map(arrivals).collect();
        let clicks = clicks[clicks.len().saturating_sub(SHOWN)..].to_vec();
        let more = (self.came - clicks.len()) as u64;
        self.untold.clear();
        self.came = 0;
        Some(Arrived { clicks, more })
    }

    /// Keeps what came; none when nothing comes any more.
    fn take(&mut self, came: Result<RecordBatch, RecvError>) -> Option<()> {
        match came {
            Ok(rows) => {
                self.came += rows.num_rows();
                self.untold.push_back(rows);
                let mut kept: usize = self.untold.iter().map(RecordBatch::num_rows).sum();
                while let Some(oldest) = self.untold.front()
                    && kept - oldest.num_rows() >= SHOWN
                {
                    kept -= oldest.num_rows();
                    self.untold.pop_front();
                }
                Some(())
            }
            // What was missed is in the lake; the watcher goes on with what is new.
            Err(RecvError::Lagged(_)) => Some(()),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Catalog {
    /// The clicks that come from now on. Nothing comes where no tail runs.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals {
            rows: self.inner.tail.watch(),
            untold: VecDeque::new(),
            came: 0,
            due: Instant::now(),
        }
    }
}

/// The newest of a stretch.
fn arrivals(rows: &RecordBatch) -> Vec<Arrival> {
    let shown = rows.num_rows().min(SHOWN);
    let newest = rows.slice(rows.num_rows() - shown, shown);
    let options = FormatOptions::new().with_display_error(true);
    let text = |column: &str, row: usize| {
        let values = newest
            .column_by_name(column)
            .filter(|all| all.is_valid(row))?;
        let text = ArrayFormatter::try_new(values.as_ref(), &options).ok()?;
        Some(text.value(row).to_string())
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
    (0..shown).map(arrival).collect()
}
