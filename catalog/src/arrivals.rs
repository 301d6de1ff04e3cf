//! Clicks as the tail takes them, for whoever watches: pushed, never asked for.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::filter::within;
use crate::grain::HOUR;
use crate::lend::{FUNCTION, Lend, Lending};
use crate::live::TAIL;
use crate::source::rows;
use crate::{Catalog, Error, Timestamp};

/// Stretches that wait for a watcher who is slow; then he misses the oldest.
pub(crate) const WAITING: usize = 64;
/// Clicks of one stretch that a watcher is shown: nobody reads more at once.
const SHOWN: usize = 50;

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
pub struct Arrivals(broadcast::Receiver<RecordBatch>);

impl Arrivals {
    /// What comes next; none when the catalog is gone.
    pub async fn next(&mut self) -> Option<Arrived> {
        loop {
            match self.0.recv().await {
                Ok(rows) if rows.num_rows() == 0 => {}
                Ok(rows) => return Some(arrived(&rows)),
                // What was missed is in the lake; the watcher goes on with what is new.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Catalog {
    /// The clicks that come from now on. Nothing comes where no tail runs.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals(self.inner.tail.watch())
    }

    /// Distinct visitors whose clicks occurred within the last `time`, those of the tail too.
    ///
    /// # Errors
    /// The database's, and the lake's as the database met it.
    pub async fn visitors_now(&self, time: Duration) -> Result<u64, Error> {
        let tail = self.inner.tail.now();
        let now = self.inner.clock.now();
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let from = Timestamp::from_micros(now.micros().saturating_sub(micros));
        // A browser's clock may be ahead, by no more than what makes a dead letter.
        let to = Timestamp::from_micros(now.micros().saturating_add(HOUR));
        let location = self.inner.lake.location().clone();
        self.read(move |session| {
            let rows = rows(session, &location, &[(from, to)])?;
            let behind: Arc<dyn Lend> = Arc::new(tail.after(&session.ends()?));
            let lending = Lending::new([(TAIL.to_owned(), behind)].into());
            let sql = format!(
                "SELECT count(DISTINCT visitor_id)::UBIGINT FROM (
                    SELECT visitor_id, occurred_at FROM {rows}
                    UNION ALL SELECT visitor_id, occurred_at FROM {FUNCTION}('{TAIL}'))
                 WHERE {}",
                within("occurred_at", from, to)
            );
            let visitors = session.connection.query_row(&sql, [], |row| row.get(0))?;
            drop(lending);
            Ok(visitors)
        })
        .await
    }
}

fn arrived(rows: &RecordBatch) -> Arrived {
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
    let clicks = (0..shown).map(|row| Arrival {
        appended_at: appended.map(|all| Timestamp::from_micros(all.value(row)).to_string()),
        action: text("action", row),
        product_id: text("product_id", row),
        product_name: text("product_name", row),
        country: text("country", row),
        path: text("path", row),
    });
    Arrived {
        clicks: clicks.collect(),
        more: (rows.num_rows() - shown) as u64,
    }
}
