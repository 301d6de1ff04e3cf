//! Who is there now.

use std::sync::Arc;
use std::time::Duration;

use sink::Timestamp;

use crate::catalog::Catalog;
use crate::db::table_function::{FUNCTION, Lend, Lending};
use crate::error::Error;
use crate::names::TAIL;
use crate::panels::source::rows;
use crate::rollup::grain::HOUR;
use crate::sql::within;

impl Catalog {
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
