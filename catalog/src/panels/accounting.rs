//! What became of every offset, and how far each partition is registered.

use serde::Serialize;
use sink::{Offset, Partition, Timestamp};

use crate::db::engine::Session;
use crate::error::Error;

/// What became of the committed offsets of a partition, or of all partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OffsetAccount {
    /// Offsets that are rows.
    pub rows: u64,
    /// Offsets that are dead letters.
    pub dead_letters: u64,
    /// Offsets whose id was seen shortly before.
    pub duplicates: u64,
    /// Duplicates whose content differs from the first occurrence; `duplicates` counts them, too.
    pub differing: u64,
    /// Offsets that a rule left out, and what was erased or has expired.
    pub dropped: u64,
    /// Offsets that hold no record.
    pub absent: u64,
    /// Offsets below the registered end that an operator gave up: a `gap` in the ledger.
    pub gap: u64,
}

impl OffsetAccount {
    /// The offsets that hold a record, each of which the edge acknowledged.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.rows + self.dead_letters + self.duplicates + self.dropped
    }

    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.dead_letters += other.dead_letters;
        self.duplicates += other.duplicates;
        self.differing += other.differing;
        self.dropped += other.dropped;
        self.absent += other.absent;
        self.gap += other.gap;
    }
}

/// The accounts of all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// One account for each partition, in the partitions' order.
    pub partitions: Vec<(Partition, OffsetAccount)>,
    /// Their sum.
    pub total: OffsetAccount,
}

/// How far a partition of the live lake is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// The partition's number.
    pub partition: Partition,
    /// The first offset of its first registered object, gap or range of a swap; `registered_end` if
    /// it has none.
    pub registered_first: Offset,
    /// The end of its registered range (exclusive).
    pub registered_end: Offset,
    /// When the last record before that end was appended to the topic. `None` before the first
    /// object.
    pub appended_at: Option<Timestamp>,
    /// How many objects are registered that hold its rows alone.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What became of every registered offset, as the tables show it.
pub(crate) fn accounting(session: &Session) -> Result<Accounting, Error> {
    let mut statement = session.connection.prepare(
        "WITH accounts AS (
            SELECT partition, sum(\"rows\") AS \"rows\", sum(dead_letters) AS letters,
                sum(duplicates) AS duplicates, sum(differing) AS differing,
                sum(dropped) AS dropped, sum(absent) AS absent
            FROM (
                SELECT partition, \"rows\", dead_letters, duplicates, differing, dropped, absent
                FROM shown WHERE partition IS NOT NULL
                UNION ALL BY NAME
                SELECT partition, \"rows\" + mended AS \"rows\", dead_letters, duplicates, differing,
                    dropped + erased + expired AS dropped, absent
                FROM covered WHERE replay = '')
            GROUP BY partition)
         SELECT partition, \"rows\"::UBIGINT, letters::UBIGINT, duplicates::UBIGINT,
            differing::UBIGINT, dropped::UBIGINT, absent::UBIGINT,
            coalesce((SELECT sum(gaps.\"end\" - gaps.\"first\") FROM gaps
                WHERE gaps.partition = accounts.partition
                    AND gaps.\"first\" < registered_end), 0)::UBIGINT
         FROM accounts JOIN partitions USING (partition)
         WHERE replay = '' ORDER BY partition",
    )?;
    let partitions = statement.query_map([], |row| {
        let account = OffsetAccount {
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
    let mut total = OffsetAccount::default();
    for (_, account) in &partitions {
        total.add(account);
    }
    Ok(Accounting { partitions, total })
}

/// How far each partition of the live lake is registered.
pub(crate) fn freshness(session: &Session) -> Result<Vec<Freshness>, Error> {
    let mut statement = session.connection.prepare(
        "SELECT partition, registered_end, epoch_us(arg_max(appended_at, \"first\")),
            count(path)::UBIGINT, coalesce(sum(bytes), 0)::UBIGINT,
            coalesce(least(min(\"first\"),
                (SELECT min(covered.\"first\") FROM covered
                    WHERE covered.partition = partitions.partition AND covered.replay = ''),
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
}
