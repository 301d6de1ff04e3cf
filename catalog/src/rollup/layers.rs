//! Sums that grow: a table in reading order, and beside it what was added since.
//!
//! A crawl appends to `…_fresh`, which is folded when it has doubled, and goes into `…_base`
//! when it is a quarter of it. So a row is written again a few times only, however many there
//! are, and what is read unordered stays short. While a backlog is folded it may be four times the
//! base: a row is then written again once or twice.

use duckdb::Connection;
use sink::Timestamp;

use crate::error::Error;
use crate::sql::{truncated, within};

/// Rows that may be added before anything is folded.
const FEW: u64 = 100_000;
/// Rows that may be added before anything is folded while more is about to be.
const MANY: u64 = 1_000_000;
/// Of how many rows of the base one may lie beside it.
const SHARE: u64 = 4;
/// How many may lie beside one of the base while more is about to be added.
const MORE: u64 = 4;

/// A table of sums in two layers.
pub(crate) struct Layers {
    /// Its name; its layers are called `{table}_base` and `{table}_fresh`.
    pub(crate) table: &'static str,
    /// The column that says of what a sum is. It has a `grain` and a `moment` too.
    pub(crate) of: &'static str,
    /// All that tells one sum from another, in the order in which they are read.
    pub(crate) keys: &'static str,
    /// SQL of the sums.
    pub(crate) sums: &'static str,
    /// SQL of what need not be kept, over the sums.
    pub(crate) empty: &'static str,
}

pub(crate) const ROLLUP: Layers = Layers {
    table: "rollup",
    of: "dimension",
    keys: "dimension, grain, moment, value, action",
    sums: "CAST(sum(clicks) AS UBIGINT) AS clicks, sum(quantity) AS quantity, sum(worth) AS worth",
    empty: "clicks = 0",
};

pub(crate) const RETURNS: Layers = Layers {
    table: "returns",
    of: "kind",
    keys: "kind, grain, moment, previous",
    sums: "CAST(sum(number) AS BIGINT) AS number",
    empty: "number = 0",
};

impl Layers {
    /// The ends of the layers' names.
    pub(crate) const NAMES: [&str; 2] = ["base", "fresh"];

    /// SQL that makes both layers, of these columns, and the view of their sum.
    pub(crate) fn tables(&self, columns: &str) -> String {
        let Self { table, .. } = self;
        format!(
            "CREATE TABLE {table}_base ({columns});
             CREATE TABLE {table}_fresh ({columns});
             CREATE VIEW {table} AS {};",
            self.folded(&Self::NAMES, "true")
        )
    }

    /// Empties both.
    pub(crate) fn clear(&self, connection: &Connection) -> Result<(), Error> {
        let Self { table, .. } = self;
        Ok(connection.execute_batch(&format!(
            "DELETE FROM {table}_base; DELETE FROM {table}_fresh;
             DELETE FROM settled WHERE name = '{table}'"
        ))?)
    }

    /// Folds what was added, where it is much, or, where more is about to be added, very much.
    pub(crate) fn settle(&self, connection: &Connection, more: bool) -> Result<(), Error> {
        let fresh = self.rows(connection, "fresh")?;
        if more && fresh < MORE * self.rows(connection, "base")?.max(MANY) {
            return Ok(());
        }
        let sql = format!(
            "SELECT coalesce(max(\"rows\"), 0) FROM settled WHERE name = '{}'",
            self.table
        );
        let settled: u64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if fresh < 2 * settled + FEW {
            return Ok(());
        }
        let base = self.rows(connection, "base")?;
        // To fold first what is then written again with little else would be done twice.
        let mut left = fresh;
        if fresh < base {
            self.rewrite(connection, &["fresh"], "fresh")?;
            left = self.rows(connection, "fresh")?;
        }
        if left >= FEW.max(base / SHARE) {
            self.rewrite(connection, &Self::NAMES, "base")?;
            left = 0;
        }
        connection.execute_batch(&format!(
            "INSERT OR REPLACE INTO settled VALUES ('{}', {left})",
            self.table
        ))?;
        Ok(())
    }

    fn rows(&self, connection: &Connection, layer: &str) -> Result<u64, Error> {
        let sql = format!("SELECT count(*)::UBIGINT FROM {}_{layer}", self.table);
        Ok(connection.query_row(&sql, [], |row| row.get(0))?)
    }

    /// Makes one layer of the sum of some, and empties the others. It is written a month of a
    /// thing and grain at a time, in the order of the keys, so that little is held in memory.
    fn rewrite(&self, connection: &Connection, from: &[&str], to: &str) -> Result<(), Error> {
        let Self {
            table, of, keys, ..
        } = self;
        connection.execute_batch(&format!(
            "CREATE TABLE {table}_next AS FROM {table}_{to} LIMIT 0"
        ))?;
        let month = truncated("month", "moment");
        let mut statement = connection.prepare(&format!(
            "SELECT DISTINCT {of}, grain, {month}, epoch_us(make_timestamp({month}) + INTERVAL 1 MONTH)
             FROM ({}) ORDER BY ALL",
            self.all(from)
        ))?;
        let months = statement.query_map([], |row| {
            let (of_what, grain): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((of_what, grain, row.get(2)?, row.get(3)?))
        })?;
        for (of_what, grain, begin, end) in months.collect::<Result<Vec<_>, _>>()? {
            let moment = Timestamp::from_micros;
            let within = within("moment", moment(begin), moment(end));
            connection.execute(
                &format!(
                    "INSERT INTO {table}_next BY NAME {} ORDER BY {keys}",
                    self.folded(from, &format!("{of} = ? AND grain = ? AND {within}"))
                ),
                [of_what, grain],
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

    /// SQL of the layers' sum, where a condition holds for the keys.
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
            of: "what",
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
