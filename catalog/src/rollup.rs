//! The hourly rollup: what one crawl's rows add to it, in one statement.

use duckdb::Connection;
use sink::Timestamp;

use crate::Error;

/// Rows that took money: `buy`, and `cancel` with its negative quantities.
pub(crate) const TRADE: &str = "action IN ('buy', 'cancel')";
/// What a row is worth, exact to four places, so that a sum does not depend on its order. A
/// row without a quantity counts one, a worth beyond 14 digits nothing.
pub(crate) const WORTH: &str =
    "coalesce(TRY_CAST(price * coalesce(quantity, 1) AS DECIMAL(18, 4)), 0)";
/// An hour, in the microseconds of a [`Timestamp`].
pub(crate) const HOUR: i64 = 3_600_000_000;

/// `SELECT hour, action, product_id, country, clicks, quantity, revenue` over rows.
pub(crate) fn fold(rows: &str, condition: &str) -> String {
    format!(
        "SELECT make_timestamptz((epoch_us(occurred_at) // {HOUR}) * {HOUR}) AS hour, action,
            product_id, country, count(*) AS clicks,
            sum(coalesce(quantity, 1)) AS quantity, sum({WORTH}) AS revenue
         FROM {rows} WHERE {condition} GROUP BY ALL"
    )
}

/// Adds the rows of new objects, which are read once.
pub(crate) fn add(connection: &Connection, rows: &str) -> Result<(), Error> {
    let named = "max({'named_at': occurred_at, 'name': product_name})
        FILTER (product_id IS NOT NULL AND product_name IS NOT NULL) AS newest";
    let folded = fold(rows, "true").replacen("SELECT", &format!("SELECT {named},"), 1);
    connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE fresh AS {folded}"))?;
    // The newest name wins, and of two as new the greater: whatever the order of crawls.
    connection.execute_batch(
        "INSERT INTO hourly BY NAME SELECT * EXCLUDE (newest) FROM fresh;
         INSERT INTO products BY NAME
         SELECT product_id, newest.name AS name, newest.named_at AS named_at FROM (
            SELECT product_id, max(newest) AS newest FROM fresh
            WHERE newest IS NOT NULL GROUP BY product_id)
         ON CONFLICT DO UPDATE SET name = excluded.name, named_at = excluded.named_at
         WHERE (excluded.named_at, excluded.name) > (products.named_at, products.name);
         DROP TABLE fresh;",
    )?;
    Ok(())
}

/// Makes the rollup of these rows alone: what the tables show is other rows now.
pub(crate) fn rebuild(connection: &Connection, rows: &str) -> Result<(), Error> {
    connection.execute_batch("DELETE FROM hourly; DELETE FROM products")?;
    add(connection, rows)
}

/// Folds the rows that many crawls added into one a key.
pub(crate) fn compact(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(
        "CREATE TEMP TABLE folded AS
            SELECT hour, action, product_id, country, CAST(sum(clicks) AS UBIGINT) AS clicks,
                sum(quantity) AS quantity, sum(revenue) AS revenue
            FROM hourly GROUP BY ALL;
         DELETE FROM hourly;
         INSERT INTO hourly BY NAME FROM folded;
         DROP TABLE folded;",
    )?;
    Ok(())
}

/// The whole hours within `[from, to)`, as the rollup can tell them; none where there is
/// no whole hour.
pub(crate) fn whole_hours(from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let first = from.micros().div_euclid(HOUR) + i64::from(from.micros().rem_euclid(HOUR) != 0);
    let end = to.micros().div_euclid(HOUR);
    (first < end).then(|| {
        (
            Timestamp::from_micros(first * HOUR),
            Timestamp::from_micros(end * HOUR),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_hours_lie_within_the_range() {
        let check = |from: i64, to: i64, expect: Option<(i64, i64)>| {
            let minutes = |m: i64| Timestamp::from_micros(m * 60_000_000);
            let got = whole_hours(minutes(from), minutes(to));
            assert_eq!(
                got,
                expect.map(|(from, to)| (minutes(from), minutes(to))),
                "{from}..{to}"
            );
        };
        check(0, 120, Some((0, 120)));
        check(1, 120, Some((60, 120)));
        check(1, 179, Some((60, 120)));
        check(1, 119, None);
        check(30, 30, None);
    }
}
