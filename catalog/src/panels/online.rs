//! How many visitors are online.

use sink::{Location, Timestamp};

use crate::db::engine::Session;
use crate::db::table_function::{ExportGuard, exported};
use crate::error::Error;
use crate::names::TAIL;
use crate::panels::source::rows;
use crate::registry::listing::registered_ends;
use crate::sql::TimeCondition;
use crate::tail::snapshot::TailSnapshot;

/// Distinct visitors whose clicks occurred in a range, including those of the tail.
pub(crate) fn visitors(
    session: &Session,
    location: &Location,
    range: (Timestamp, Timestamp),
    tail: &TailSnapshot,
) -> Result<u64, Error> {
    let rows = rows(session, location, &[range])?;
    let tail = tail.after(&registered_ends(session)?);
    let _exports = ExportGuard::one(TAIL, tail);
    let sql = format!(
        "SELECT count(DISTINCT visitor_id)::UBIGINT FROM (
            SELECT visitor_id, occurred_at FROM {rows}
            UNION ALL SELECT visitor_id, occurred_at FROM {})
         WHERE {}",
        exported(TAIL),
        TimeCondition::of("occurred_at", range)
    );
    Ok(session.connection.query_row(&sql, [], |row| row.get(0))?)
}
