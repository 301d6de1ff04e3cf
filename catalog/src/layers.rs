//! Sums that grow: a table in reading order, and beside it what was added since.
//!
//! A crawl appends to `…_fresh`, which is folded when it has doubled, and goes into `…_base`
//! when it is a quarter of it. So a row is written again a few times only, however many there
//! are, and what is read unordered stays short.

use duckdb::Connection;

use crate::Error;

/// Rows that may be added before anything is folded.
const FEW: u64 = 100_000;
/// Of how many rows of the base one may lie beside it.
const SHARE: u64 = 4;

/// A table of sums in two layers.
pub(crate) struct Layers {
    /// Its name; its layers are called `{table}_base` and `{table}_fresh`.
    pub(crate) table: &'static str,
    /// What a sum is of, in the order in which it is read.
    pub(crate) keys: &'static str,
    /// SQL of the sums.
    pub(crate) sums: &'static str,
    /// SQL of what need not be kept, over the sums.
    pub(crate) empty: &'static str,
}

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
            self.folded(&Self::NAMES)
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

    /// Folds what was added, where it is much.
    pub(crate) fn settle(&self, connection: &Connection) -> Result<(), Error> {
        let fresh = self.rows(connection, "fresh")?;
        let sql = format!(
            "SELECT coalesce(max(\"rows\"), 0) FROM settled WHERE name = '{}'",
            self.table
        );
        let settled: u64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if fresh < 2 * settled + FEW {
            return Ok(());
        }
        self.rewrite(connection, &["fresh"], "fresh")?;
        let fresh = self.rows(connection, "fresh")?;
        let base = self.rows(connection, "base")?;
        let left = if fresh >= FEW.max(base / SHARE) {
            self.rewrite(connection, &Self::NAMES, "base")?;
            0
        } else {
            fresh
        };
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

    /// Empties the layers and writes their sum into one.
    fn rewrite(&self, connection: &Connection, from: &[&str], to: &str) -> Result<(), Error> {
        let Self { table, keys, .. } = self;
        let delete = from
            .iter()
            .map(|layer| format!("DELETE FROM {table}_{layer};"));
        Ok(connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE folded AS {} ORDER BY {keys};
             {}
             INSERT INTO {table}_{to} BY NAME FROM folded;
             DROP TABLE folded;",
            self.folded(from),
            delete.collect::<String>(),
        ))?)
    }

    /// SQL of the layers' sum.
    fn folded(&self, layers: &[&str]) -> String {
        let Self {
            table,
            keys,
            sums,
            empty,
        } = self;
        let all = layers.iter().map(|layer| format!("FROM {table}_{layer}"));
        let all = all.collect::<Vec<_>>().join(" UNION ALL BY NAME ");
        format!(
            "SELECT * FROM (SELECT {keys}, {sums} FROM ({all}) GROUP BY {keys}) WHERE NOT ({empty})"
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
            keys: "key",
            sums: "CAST(sum(number) AS BIGINT) AS number",
            empty: "number = 0",
        };
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(&format!(
                "CREATE TABLE settled (name VARCHAR PRIMARY KEY, \"rows\" UBIGINT);
                 {}",
                layers.tables("key BIGINT, number BIGINT")
            ))
            .unwrap();
        let add = |from: u64, to: u64, number: i64| {
            let sql =
                "INSERT INTO sums_fresh SELECT range % 90000, ? FROM range(?::BIGINT, ?::BIGINT)";
            let values = duckdb::params![number, from, to];
            database.execute(sql, values).unwrap();
            let before = digest(&database);
            layers.settle(&database).unwrap();
            assert_eq!(digest(&database), before);
            let rows = Layers::NAMES.map(|layer| layers.rows(&database, layer).unwrap());
            (rows[0], rows[1])
        };
        assert_eq!(add(0, 90_000, 1), (0, 90_000), "few are left");
        assert_eq!(
            add(0, 90_000, 1),
            (0, 90_000),
            "they are folded in themselves"
        );
        // 90,000 were folded: as many again and some more may come.
        assert_eq!(add(0, 180_000, 1), (0, 270_000));
        assert_eq!(add(0, 10_000, -4), (0, 80_000), "what is nothing goes");
        assert_eq!(layers.rows(&database, "fresh").unwrap(), 80_000);
    }

    fn digest(database: &Connection) -> String {
        crate::schema::digest(database, "sums").unwrap()
    }
}
