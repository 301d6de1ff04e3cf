//! The hourly rollups: what one crawl's rows add to them, in one reading.
//!
//! `hourly` holds what is asked of together (action, product, category, country);
//! `hourly_by` each dimension alone beside the action, under its name.

use duckdb::Connection;
use sink::Timestamp;

use crate::dimension::sides;
use crate::{Dimension, Error};

/// Rows that took money: `buy`, and `cancel` with its negative quantities.
pub(crate) const TRADE: &str = "action IN ('buy', 'cancel')";
/// What a row is worth, exact to four places, so that a sum does not depend on its order. A
/// row without a quantity counts one, a worth beyond 14 digits nothing.
pub(crate) const WORTH: &str =
    "coalesce(TRY_CAST(price * coalesce(quantity, 1) AS DECIMAL(18, 4)), 0)";
/// An hour, in the microseconds of a [`Timestamp`].
pub(crate) const HOUR: i64 = 3_600_000_000;
/// What `hourly` knows of together, beside the action.
pub(crate) const TOGETHER: [Dimension; 3] =
    [Dimension::Product, Dimension::Category, Dimension::Country];

/// What is counted of rows.
pub(crate) fn measures() -> String {
    format!("count(*) AS clicks, sum(coalesce(quantity, 1)) AS quantity, sum({WORTH}) AS revenue")
}

/// `occurred_at`, down to a unit of so many microseconds.
pub(crate) fn floored(unit: i64) -> String {
    format!("make_timestamptz((epoch_us(occurred_at) // {unit}) * {unit})")
}

/// Adds the rows of new objects, which are read once.
pub(crate) fn add(connection: &Connection, rows: &str) -> Result<(), Error> {
    let names = Dimension::ALL[1..].iter().map(|one| one.name());
    let names: Vec<&str> = names.collect();
    let list = names.join(", ");
    let sets = names.iter().map(|name| format!("(hour, action, {name})"));
    let sets = sets.collect::<Vec<_>>().join(", ");
    let together = TOGETHER.map(Dimension::name).join(", ");
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE fresh AS
         SELECT hour, action, {list}, grouping({list}) AS absent, {measures},
            max({{'named_at': occurred_at, 'name': product_name}})
                FILTER (product IS NOT NULL AND product_name IS NOT NULL) AS newest
         FROM (SELECT *, {hour} AS hour FROM {rows})
         GROUP BY GROUPING SETS ((hour, action), (hour, action, {together}), {sets})",
        measures = measures(),
        hour = floored(HOUR),
        rows = sides(rows),
    ))?;
    let all: Vec<String> = std::iter::once(format!("WHEN {} THEN 'action'", absent(&[])))
        .chain(
            Dimension::ALL[1..]
                .iter()
                .map(|one| format!("WHEN {} THEN '{}'", absent(&[*one]), one.name())),
        )
        .collect();
    // The newest name wins, and of two as new the greater: whatever the order of crawls.
    connection.execute_batch(&format!(
        "INSERT INTO hourly SELECT hour, action, {together}, clicks, quantity, revenue
         FROM fresh WHERE absent = {together_absent};
         INSERT INTO hourly_by
         SELECT hour, CASE absent {cases} END AS dimension,
            CASE WHEN absent = {none} THEN action ELSE coalesce({list}) END AS value,
            action, clicks, quantity, revenue
         FROM fresh WHERE absent != {together_absent};
         INSERT INTO products BY NAME
         SELECT product_id, newest.name AS name, newest.named_at AS named_at FROM (
            SELECT product AS product_id, max(newest) AS newest FROM fresh
            WHERE absent = {by_product} AND newest IS NOT NULL GROUP BY product)
         ON CONFLICT DO UPDATE SET name = excluded.name, named_at = excluded.named_at
         WHERE (excluded.named_at, excluded.name) > (products.named_at, products.name);
         DROP TABLE fresh;",
        together_absent = absent(&TOGETHER),
        cases = all.join(" "),
        none = absent(&[]),
        by_product = absent(&[Dimension::Product]),
    ))?;
    Ok(())
}

/// The number that `grouping` gives a set: a bit for each dimension that is not in it.
fn absent(set: &[Dimension]) -> u32 {
    let bits = Dimension::ALL[1..].iter().map(|one| !set.contains(one));
    bits.fold(0, |bits, bit| bits << 1 | u32::from(bit))
}

/// Makes the rollups of these rows alone: what the tables show is other rows now.
pub(crate) fn rebuild(connection: &Connection, rows: &str) -> Result<(), Error> {
    connection.execute_batch("DELETE FROM hourly; DELETE FROM hourly_by; DELETE FROM products")?;
    add(connection, rows)
}

/// Folds the rows that many crawls added into one a key, in the order in which they are asked.
pub(crate) fn compact(connection: &Connection) -> Result<(), Error> {
    for (table, keys, order) in [
        (
            "hourly",
            "hour, action, product_id, category, country",
            "hour",
        ),
        (
            "hourly_by",
            "hour, dimension, value, action",
            "dimension, hour",
        ),
    ] {
        connection.execute_batch(&format!(
            "CREATE TEMP TABLE folded AS
                SELECT {keys}, CAST(sum(clicks) AS UBIGINT) AS clicks,
                    sum(quantity) AS quantity, sum(revenue) AS revenue
                FROM {table} GROUP BY ALL ORDER BY {order};
             DELETE FROM {table};
             INSERT INTO {table} FROM folded;
             DROP TABLE folded;"
        ))?;
    }
    Ok(())
}

/// The whole hours within `[from, to)`, as the rollups can tell them; none where there is
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
