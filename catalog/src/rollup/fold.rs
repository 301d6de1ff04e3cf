//! The rollup: clicks, quantities and money by hour, day and month of `occurred_at`, action and
//! the value of one dimension, added up as objects are registered.
//!
//! Of each such sum `rollup_base` holds a row, in the order in which panels read them, and
//! `rollup_fresh` what came since; `rollup` shows their sum.

use duckdb::Connection;
use sink::{Location, Timestamp};

use crate::error::Error;
use crate::rollup::dimension::{Dimension, sides};
use crate::rollup::grain::{Grain, HOUR};
use crate::rollup::layers::{Layers, RETURNS, ROLLUP};
use crate::rollup::measures::{WORTH, summed};
use crate::rollup::uniques;
use crate::sql::{floored, within};
use crate::tables::piece::{Piece, slices};
use crate::tables::table::Table;

/// Adds the rows of these objects, at most so many at a time.
pub(crate) fn add(
    connection: &Connection,
    pieces: &[Piece],
    location: &Location,
    most: u64,
) -> Result<(), Error> {
    for slice in slices(pieces, most) {
        fold(connection, &sides(&Table::Clicks.of(slice, location)))?;
    }
    Ok(())
}

/// Keeps the sums quick to read. Where more is about to be added, they may lie as they are for
/// longer.
pub(crate) fn settle(connection: &Connection, more: bool) -> Result<(), Error> {
    ROLLUP.settle(connection, more)?;
    RETURNS.settle(connection, more)
}

/// Adds rows with a column for each dimension, which are read once.
fn fold(connection: &Connection, rows: &str) -> Result<(), Error> {
    let names: Vec<&str> = Dimension::ALL.iter().map(|one| one.name()).collect();
    // A join keeps no order, whatever it joins. To keep that in which objects are read, DuckDB
    // would make a row group of each: a third more time, and of many small ones all its memory.
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE fresh AS
         SELECT {hour} AS hour, occurred_at, {list}, product_name, visitor_id, order_id,
            coalesce(quantity, 1) AS quantity, {WORTH} AS worth
         FROM {rows} AS read SEMI JOIN (SELECT unnest([true, false]) AS given) AS either
            ON (read.occurred_at IS NOT NULL) = either.given",
        hour = floored(HOUR),
        list = names.join(", "),
    ))?;
    let by = names.iter().map(|name| {
        format!(
            "SELECT '{name}' AS dimension, hour AS moment, {name} AS value, action, {}
             FROM fresh GROUP BY ALL",
            summed("quantity", "worth")
        )
    });
    let by = by.collect::<Vec<_>>().join(" UNION ALL ");
    connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE counted AS {by}"))?;
    let insert = |grain: Grain, from: &str| {
        let name = grain.name();
        format!("INSERT INTO rollup_fresh BY NAME SELECT *, '{name}' AS grain FROM {from};")
    };
    connection.execute_batch(&insert(Grain::Hour, "counted"))?;
    // Days are made of hours, and months of days.
    for (grain, from, into) in [
        (Grain::Day, "counted", "counted_days"),
        (Grain::Month, "counted_days", "counted_months"),
    ] {
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE {into} AS
             SELECT dimension, {begin} AS moment, value, action,
                {sums}
             FROM {from} GROUP BY dimension, {begin}, value, action;
             {} DROP TABLE {from};",
            insert(grain, into),
            begin = grain.begin("moment"),
            sums = ROLLUP.sums,
        ))?;
    }
    // The newest name wins, and of two as new the greater: whatever the order of crawls.
    connection.execute_batch(
        "INSERT INTO products BY NAME
         SELECT product_id, newest.name AS name, newest.named_at AS named_at FROM (
            SELECT product AS product_id,
                max({'named_at': occurred_at, 'name': product_name}) AS newest
            FROM fresh WHERE product IS NOT NULL AND product_name IS NOT NULL GROUP BY product)
         ON CONFLICT DO UPDATE SET name = excluded.name, named_at = excluded.named_at
         WHERE (excluded.named_at, excluded.name) > (products.named_at, products.name)",
    )?;
    uniques::add(connection)?;
    connection.execute_batch("DROP TABLE fresh; DROP TABLE counted_months;")?;
    Ok(())
}

/// Forgets all that was added: what the tables show is other rows now.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch("DELETE FROM products; DELETE FROM visits")?;
    ROLLUP.clear(connection)?;
    RETURNS.clear(connection)
}

/// SQL of `moment, action`, `columns` (of which there is the dimension's own, under its name),
/// `clicks, quantity, worth` of whole units: a query for each layer.
pub(crate) fn whole(
    dimension: Dimension,
    (grain, from, to): (Grain, Timestamp, Timestamp),
    columns: &str,
    condition: &str,
) -> [String; 2] {
    let name = dimension.name();
    let value = match dimension {
        Dimension::Action => String::new(),
        _ => format!(", value AS {name}"),
    };
    let units = within("moment", from, to);
    Layers::NAMES.map(|layer| {
        format!(
            "SELECT moment, action{columns}, clicks, quantity, worth FROM (
                SELECT moment, action{value}, clicks, quantity, worth FROM rollup_{layer}
                WHERE dimension = '{name}' AND grain = '{}' AND {units})
             WHERE {condition}",
            grain.name(),
        )
    })
}
