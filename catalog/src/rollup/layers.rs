//! Sums that grow, in two layers: a table in reading order, and one with what was added since.
//!
//! A crawl appends to `…_fresh`. That layer is folded in itself when it has doubled, and merged
//! into `…_base` when it is a quarter of it. So a row is rewritten only a few times, however many
//! there are, and the unordered layer stays short. While a backlog is folded, the fresh layer may
//! be four times the base; a row is then rewritten once or twice.

use duckdb::Connection;
use sink::Timestamp;

use crate::error::Error;
use crate::sql::{Literal, TimeCondition, truncated};

/// Rows that may be added before anything is folded.
const MIN_FRESH_ROWS: u64 = 100_000;
/// Rows that may be added before anything is folded, while a backlog follows.
const MIN_BACKLOG_ROWS: u64 = 1_000_000;
/// How many rows of the base there are for each fresh row, at least.
const BASE_PER_FRESH: u64 = 4;
/// How many fresh rows there may be for each row of the base, while a backlog follows.
const FRESH_PER_BASE: u64 = 4;

/// A table of sums in two layers.
pub(crate) struct Layers {
    /// Its name. Its layers are called `{table}_base` and `{table}_fresh`.
    pub(crate) table: &'static str,
    /// The column that says what a sum is of. The table has a `grain` and a `moment`, too.
    pub(crate) subject: &'static str,
    /// The columns that tell sums apart, in the order of reading.
    pub(crate) keys: &'static str,
    /// SQL of the sums.
    pub(crate) sums: &'static str,
    /// The condition of sums that need not be kept.
    pub(crate) empty: &'static str,
}

/// Clicks, quantities and worth by dimension, grain, value and action.
pub(crate) const ROLLUP: Layers = Layers {
    table: "rollup",
    subject: "dimension",
    keys: "dimension, grain, moment, value, action",
    sums: "CAST(sum(clicks) AS UBIGINT) AS clicks, sum(quantity) AS quantity, sum(worth) AS worth",
    empty: "clicks = 0",
};

/// Visitors, buyers and orders by grain and the hour in which they were seen before.
pub(crate) const RETURNS: Layers = Layers {
    table: "returns",
    subject: "kind",
    keys: "kind, grain, moment, previous",
    sums: "CAST(sum(number) AS BIGINT) AS number",
    empty: "number = 0",
};

impl Layers {
    /// The suffixes of the layers' names.
    pub(crate) const NAMES: [&str; 2] = ["base", "fresh"];

    /// SQL that makes both layers with these columns, and the view of their sum.
    pub(crate) fn tables(&self, columns: &str) -> String {
        let Self { table, .. } = self;
        format!(
            "CREATE TABLE {table}_base ({columns});
             CREATE TABLE {table}_fresh ({columns});
             CREATE VIEW {table} AS {};",
            self.folded(&Self::NAMES, "true")
        )
    }

    /// Empties both layers.
    pub(crate) fn clear(&self, connection: &Connection) -> Result<(), Error> {
        let Self { table, .. } = self;
        Ok(connection.execute_batch(&format!(
            "DELETE FROM {table}_base; DELETE FROM {table}_fresh;
             DELETE FROM settled WHERE name = {}",
            Literal(table)
        ))?)
    }

    /// Folds what was added if it is much, or very much if a backlog follows.
    pub(crate) fn settle(&self, connection: &Connection, backlog: bool) -> Result<(), Error> {
        let fresh = self.rows(connection, "fresh")?;
        if backlog && fresh < FRESH_PER_BASE * self.rows(connection, "base")?.max(MIN_BACKLOG_ROWS)
        {
            return Ok(());
        }
        let sql = format!(
            "SELECT coalesce(max(\"rows\"), 0) FROM settled WHERE name = {}",
            Literal(self.table)
        );
        let settled: u64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if fresh < 2 * settled + MIN_FRESH_ROWS {
            return Ok(());
        }
        let base = self.rows(connection, "base")?;
        // Folded alone first, unless that would write nearly the same rows twice.
        let mut left = fresh;
        if fresh < base {
            self.rewrite(connection, &["fresh"], "fresh")?;
            left = self.rows(connection, "fresh")?;
        }
        if left >= MIN_FRESH_ROWS.max(base / BASE_PER_FRESH) {
            self.rewrite(connection, &Self::NAMES, "base")?;
            left = 0;
        }
        connection.execute_batch(&format!(
            "INSERT OR REPLACE INTO settled VALUES ({}, {left})",
            Literal(self.table)
        ))?;
        Ok(())
    }

    fn rows(&self, connection: &Connection, layer: &str) -> Result<u64, Error> {
        let sql = format!("SELECT count(*)::UBIGINT FROM {}_{layer}", self.table);
        Ok(connection.query_row(&sql, [], |row| row.get(0))?)
    }

    /// Makes one layer of the sum of some, and empties the others. It writes one month of a subject
    /// and grain at a time, in the order of the keys, which takes little memory.
    fn rewrite(&self, connection: &Connection, from: &[&str], to: &str) -> Result<(), Error> {
        let Self {
            table,
            subject,
            keys,
            ..
        } = self;
        connection.execute_batch(&format!(
            "CREATE TABLE {table}_next AS FROM {table}_{to} LIMIT 0"
        ))?;
        let month = truncated("month", "moment");
        let mut statement = connection.prepare(&format!(
            "SELECT DISTINCT {subject}, grain, {month}, epoch_us(make_timestamp({month}) + INTERVAL 1 MONTH)
             FROM ({}) ORDER BY ALL",
            self.all(from)
        ))?;
        let months = statement.query_map([], |row| {
            let (value, grain): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((value, grain, row.get(2)?, row.get(3)?))
        })?;
        for (value, grain, start, end) in months.collect::<Result<Vec<_>, _>>()? {
            let moment = Timestamp::from_micros;
            let within = TimeCondition::of("moment", (moment(start), moment(end)));
            connection.execute(
                &format!(
                    "INSERT INTO {table}_next BY NAME {} ORDER BY {keys}",
                    self.folded(from, &format!("{subject} = ? AND grain = ? AND {within}"))
                ),
                [value, grain],
            )?;
        }
        for layer in from.iter().filter(|layer| **layer != to) {
            connection.execute_batch(&format!("DELETE FROM {table}_{layer}"))?;
        }
        Ok(connection.execute_batch(&format!(
            "DROP TABLE {table}_{to}; ALTER TABLE {table}_next RENAME TO {table}_{to};"
        ))?)
    }

    /// SQL of the layers' rows.
    fn all(&self, layers: &[&str]) -> String {
        let all = layers
            .iter()
            .map(|layer| format!("FROM {}_{layer}", self.table));
        all.collect::<Vec<_>>().join(" UNION ALL BY NAME ")
    }

    /// SQL of the layers' sum, of the keys that a condition holds for.
    fn folded(&self, layers: &[&str], condition: &str) -> String {
        let Self {
            keys, sums, empty, ..
        } = self;
        format!(
            "SELECT * FROM (
                SELECT {keys}, {sums} FROM ({}) WHERE {condition} GROUP BY {keys})
             WHERE NOT ({empty})",
            self.all(layers)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_folded_is_the_same_and_few_rows() {
        let layers = Layers {
            table: "sums",
            subject: "what",
            keys: "what, grain, moment, key",
            sums: "CAST(sum(number) AS BIGINT) AS number",
            empty: "number = 0",
        };
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(&format!(
                "CREATE TABLE settled (name VARCHAR PRIMARY KEY, \"rows\" UBIGINT);
                 {}",
                layers.tables(
                    "what VARCHAR, grain VARCHAR, moment TIMESTAMPTZ, key BIGINT, number BIGINT"
                )
            ))
            .unwrap();
        let add = |from: u64, to: u64, number: i64| {
            let sql = "INSERT INTO sums_fresh
                SELECT ['a', 'b'][1 + range % 2], 'hour',
                    TIMESTAMPTZ '2026-01-30 00:00:00Z' + INTERVAL (range % 90000) MINUTE, range, ?
                FROM range(?::BIGINT, ?::BIGINT)";
            let values = duckdb::params![number, from, to];
            database.execute(sql, values).unwrap();
            let before = digest(&database);
            layers.settle(&database, false).unwrap();
            assert_eq!(digest(&database), before);
            let rows = Layers::NAMES.map(|layer| layers.rows(&database, layer).unwrap());
            (rows[0], rows[1])
        };
        assert_eq!(add(0, 90_000, 1), (0, 90_000), "few are left");
        assert_eq!(add(0, 90_000, 1), (90_000, 0));
        assert_eq!(add(0, 180_000, 1), (180_000, 0));
        assert_eq!(add(0, 10_000, -3), (180_000, 10_000));
        let gone = "what is nothing goes";
        assert_eq!(add(20_000, 115_000, 1), (170_000, 0), "{gone}");
        for more in 1..10 {
            assert_eq!(add(0, 10_000, 1), (170_000, more * 10_000));
        }
        let alone = "they are folded in themselves";
        assert_eq!(add(0, 10_000, 1), (170_000, 10_000), "{alone}");
    }

    fn digest(database: &Connection) -> String {
        crate::db::database::digest(database, "sums").unwrap()
    }
}
