//! How fast the lake grows: what was committed lately, partition by partition.

use std::time::Duration;

use serde::Serialize;
use sink::{Offset, Partition, Timestamp};

use crate::catalog::Catalog;
use crate::error::Error;

/// What a partition of the live lake committed since one of its objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The partition.
    pub partition: Partition,
    /// When that object's last record was appended.
    pub since: Timestamp,
    /// Where that object ends.
    pub end: Offset,
    /// Rows of the objects behind it.
    pub rows: u64,
    /// How many those are.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Catalog {
    /// What each partition committed since its newest object that is older than `time`; since
    /// its first one, where all are younger.
    ///
    /// # Errors
    /// The database's.
    pub async fn rates(&self, time: Duration) -> Result<Vec<Rate>, Error> {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let before = self.inner.clock.now().micros().saturating_sub(micros);
        self.read(move |session| {
            let mut statement = session.connection.prepare(
                "WITH begun AS (
                    SELECT partition, coalesce(
                        max(\"first\") FILTER (appended_at <= make_timestamptz(?::BIGINT)),
                        min(\"first\")) AS begun
                    FROM objects WHERE replay = '' GROUP BY partition)
                 SELECT partition, epoch_us(arg_min(appended_at, \"first\")),
                    arg_min(\"end\", \"first\"),
                    coalesce(sum(\"rows\") FILTER (\"first\" > begun), 0)::UBIGINT,
                    count(*) FILTER (\"first\" > begun)::UBIGINT,
                    coalesce(sum(bytes) FILTER (\"first\" > begun), 0)::UBIGINT
                 FROM objects JOIN begun USING (partition)
                 WHERE replay = '' AND \"first\" >= begun GROUP BY partition ORDER BY partition",
            )?;
            let rates = statement.query_map([before], |row| {
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
        })
        .await
    }
}
