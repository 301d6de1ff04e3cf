//! The pipeline's own numbers: what became of every offset, how fresh each partition is,
//! and the crawler's history.

use serde::Serialize;
use sink::{Offset, Partition, Timestamp};

use crate::catalog::Catalog;
use crate::error::Error;

/// What became of the committed offsets of a partition, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Offsets that are rows.
    pub rows: u64,
    /// Offsets that are dead letters.
    pub dead_letters: u64,
    /// Offsets whose id was seen shortly before.
    pub duplicates: u64,
    /// Duplicates whose content differs from their twin's (counted in `duplicates`, too).
    pub differing: u64,
    /// Offsets that a rule left out.
    pub dropped: u64,
    /// Offsets that hold no record.
    pub absent: u64,
    /// Offsets up to its end that an operator gave up: a `gap` in the ledger.
    pub gap: u64,
}

impl Account {
    /// The offsets that hold a record: what the topic accepted.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.rows + self.dead_letters + self.duplicates + self.dropped
    }
}

/// The accounts of all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// One account a partition, in the partitions' order.
    pub partitions: Vec<(Partition, Account)>,
    /// Their sum.
    pub total: Account,
}

/// How far a partition of the live lake is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// The partition.
    pub partition: Partition,
    /// Where its first registered object or accepted gap begins; `registered_end` where
    /// there is none.
    pub registered_first: Offset,
    /// Where its registered range ends (exclusive).
    pub registered_end: Offset,
    /// When the topic took the last record before that end; none before the first object.
    pub appended_at: Option<Timestamp>,
    /// Its registered objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Catalog {
    /// What became of every registered offset, as the tables show it: within a promotion's
    /// ranges by the replay. Rows and dead letters are counted; where a promotion cuts an
    /// object in two whose range holds duplicates beside offsets of other kinds without a
    /// trace, the duplicates are told first.
    ///
    /// # Errors
    /// The database's.
    pub async fn accounting(&self) -> Result<Accounting, Error> {
        self.read(|session| {
            let mut statement = session.connection.prepare(
                "WITH accounts AS (
                    SELECT partition, sum(\"rows\") AS \"rows\", sum(dead_letters) AS letters,
                        sum(duplicates) AS duplicates, sum(differing) AS differing,
                        sum(dropped) AS dropped, sum(absent) AS absent
                    FROM shown GROUP BY partition)
                 SELECT partition, \"rows\"::UBIGINT, letters::UBIGINT, duplicates::UBIGINT,
                    differing::UBIGINT, dropped::UBIGINT, absent::UBIGINT,
                    coalesce((SELECT sum(gaps.\"end\" - gaps.\"first\") FROM gaps
                        WHERE gaps.partition = accounts.partition
                            AND gaps.\"first\" < registered_end), 0)::UBIGINT
                 FROM accounts JOIN partitions USING (partition)
                 WHERE replay = '' ORDER BY partition",
            )?;
            let partitions = statement.query_map([], |row| {
                let account = Account {
                    rows: row.get(1)?,
                    dead_letters: row.get(2)?,
                    duplicates: row.get(3)?,
                    differing: row.get(4)?,
                    dropped: row.get(5)?,
                    absent: row.get(6)?,
                    gap: row.get(7)?,
                };
                Ok((Partition(row.get(0)?), account))
            })?;
            let partitions: Vec<_> = partitions.collect::<Result<_, _>>()?;
            let mut total = Account::default();
            for (_, account) in &partitions {
                total.rows += account.rows;
                total.dead_letters += account.dead_letters;
                total.duplicates += account.duplicates;
                total.differing += account.differing;
                total.dropped += account.dropped;
                total.absent += account.absent;
                total.gap += account.gap;
            }
            Ok(Accounting { partitions, total })
        })
        .await
    }

    /// How far each partition of the live lake is registered.
    ///
    /// # Errors
    /// The database's.
    pub async fn freshness(&self) -> Result<Vec<Freshness>, Error> {
        self.read(|session| {
            let mut statement = session.connection.prepare(
                "SELECT partition, registered_end, epoch_us(arg_max(appended_at, \"first\")),
                    count(path)::UBIGINT, coalesce(sum(bytes), 0)::UBIGINT,
                    coalesce(least(min(\"first\"),
                        (SELECT min(gaps.\"first\") FROM gaps
                            WHERE gaps.partition = partitions.partition
                                AND gaps.\"first\" < registered_end)), registered_end)
                 FROM partitions LEFT JOIN objects USING (replay, partition)
                 WHERE replay = '' GROUP BY partition, registered_end ORDER BY partition",
            )?;
            let partitions = statement.query_map([], |row| {
                Ok(Freshness {
                    partition: Partition(row.get(0)?),
                    registered_end: Offset(row.get(1)?),
                    appended_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
                    objects: row.get(3)?,
                    bytes: row.get(4)?,
                    registered_first: Offset(row.get(5)?),
                })
            })?;
            Ok(partitions.collect::<Result<_, _>>()?)
        })
        .await
    }
}
