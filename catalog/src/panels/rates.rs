//! How fast the lake grows: what each partition committed lately.

use serde::Serialize;
use sink::{Offset, Partition, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;

/// What a partition of the live lake committed after one of its objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The partition's number.
    pub partition: Partition,
    /// When that object's last record was appended to the topic.
    pub since: Timestamp,
    /// The offset after that object's range.
    pub end: Offset,
    /// Rows of the objects after it.
    pub rows: u64,
    /// How many objects those are.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What each partition committed after its newest object that was appended by `before`; after its
/// first object, if all were appended later.
pub(crate) fn rates(session: &Session, before: Timestamp) -> Result<Vec<Rate>, Error> {
    let mut statement = session.connection.prepare(
        "WITH begun AS (
            SELECT partition, coalesce(
                max(\"first\") FILTER (appended_at <= make_timestamptz(?::BIGINT)),
                min(\"first\")) AS begun
            FROM objects WHERE replay = '' AND partition IS NOT NULL GROUP BY partition)
         SELECT partition, epoch_us(arg_min(appended_at, \"first\")),
            arg_min(\"end\", \"first\"),
            coalesce(sum(\"rows\") FILTER (\"first\" > begun), 0)::UBIGINT,
            count(*) FILTER (\"first\" > begun)::UBIGINT,
            coalesce(sum(bytes) FILTER (\"first\" > begun), 0)::UBIGINT
         FROM objects JOIN begun USING (partition)
         WHERE replay = '' AND \"first\" >= begun GROUP BY partition ORDER BY partition",
    )?;
    let rates = statement.query_map([before.micros()], |row| {
        Ok(Rate {
            partition: Partition(row.get(0)?),
            since: Timestamp::from_micros(row.get(1)?),
            end: Offset(row.get(2)?),
            rows: row.get(3)?,
            objects: row.get(4)?,
            bytes: row.get(5)?,
        })
    })?;
    Ok(rates.collect::<Result<_, _>>()?)
}
