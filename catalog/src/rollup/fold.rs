//! The fold of rows into the rollups: clicks, quantities and money by hour, day and month of
//! `occurred_at`, action and the value of one dimension.
//!
//! `rollup_base` holds a row for each such sum, in the order in which panels read them;
//! `rollup_fresh` holds what was added since; the view `rollup` is their sum.

use duckdb::Connection;
use sink::{Location, Timestamp};

use crate::error::Error;
use crate::rollup::dimension::{Dimension, with_dimensions};
use crate::rollup::grain::{Grain, HOUR_MICROS};
use crate::rollup::layers::{Layers, RETURNS, ROLLUP};
use crate::rollup::measures::{WORTH, summed};
use crate::rollup::uniques;
use crate::sql::{Literal, TimeCondition, floored, joined};
use crate::tables::piece::{Piece, slices};
use crate::tables::table::Table;

/// Adds the rows of these pieces, at most so many at a time.
pub(crate) fn add(
    connection: &Connection,
    pieces: &[Piece],
    location: &Location,
    max_rows: u64,
) -> Result<(), Error> {
    for slice in slices(pieces, max_rows) {
        let rows = Table::Clicks.of(slice, location);
        add_rows(connection, &with_dimensions(&rows))?;
    }
    Ok(())
}

/// Keeps the sums quick to read. They may stay unordered for longer while a backlog follows.
pub(crate) fn settle(connection: &Connection, backlog: bool) -> Result<(), Error> {
    ROLLUP.settle(connection, backlog)?;
    RETURNS.settle(connection, backlog)
}

/// Empties the rollups: the tables now show other rows.
pub(crate) fn clear(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch("DELETE FROM products; DELETE FROM visits")?;
    ROLLUP.clear(connection)?;
    RETURNS.clear(connection)
}

/// Adds rows that have a column for each dimension. They are read once.
fn add_rows(connection: &Connection, rows: &str) -> Result<(), Error> {
    // A join keeps no order. To keep the order in which it reads objects, DuckDB would make a row
    // group of each object: that takes a third more time, and all its memory for many small ones.
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE fresh AS
         SELECT {hour} AS hour, occurred_at, {list}, product_name, visitor_id, order_id,
            coalesce(quantity, 1) AS quantity, {WORTH} AS worth
         FROM {rows} AS read SEMI JOIN (SELECT unnest([true, false]) AS given) AS either
            ON (read.occurred_at IS NOT NULL) = either.given",
        hour = floored(HOUR_MICROS),
        list = joined(Dimension::ALL.map(Dimension::name), ", "),
    ))?;
    add_sums(connection)?;
    add_products(connection)?;
    uniques::add(connection)?;
    connection.execute_batch("DROP TABLE fresh")?;
    Ok(())
}

/// Adds the sums of the table `fresh`, by hour, day and month.
fn add_sums(connection: &Connection) -> Result<(), Error> {
    let by_dimension = Dimension::ALL.map(|dimension| {
        let name = dimension.name();
        format!(
            "SELECT {} AS dimension, hour AS moment, {name} AS value, action, {}
             FROM fresh GROUP BY ALL",
            Literal(name),
            summed("quantity", "worth")
        )
    });
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE counted AS {}",
        by_dimension.join(" UNION ALL ")
    ))?;
    let insert = |grain: Grain, from: &str| {
        let grain = Literal(grain.name());
        format!("INSERT INTO rollup_fresh BY NAME SELECT *, {grain} AS grain FROM {from};")
    };
    connection.execute_batch(&insert(Grain::Hour, "counted"))?;
    // Days are summed from hours, and months from days.
    for (grain, from, into) in [
        (Grain::Day, "counted", "counted_days"),
        (Grain::Month, "counted_days", "counted_months"),
    ] {
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE {into} AS
             SELECT dimension, {start} AS moment, value, action,
                {sums}
             FROM {from} GROUP BY dimension, {start}, value, action;
             {} DROP TABLE {from};",
            insert(grain, into),
            start = grain.start("moment"),
            sums = ROLLUP.sums,
        ))?;
    }
    connection.execute_batch("DROP TABLE counted_months")?;
    Ok(())
}

/// Keeps each product's newest name; of two names of one moment the greater, so that the order of
/// crawls does not matter.
fn add_products(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(
        "INSERT INTO products BY NAME
         SELECT product_id, newest.name AS name, newest.named_at AS named_at FROM (
            SELECT product AS product_id,
                max({'named_at': occurred_at, 'name': product_name}) AS newest
            FROM fresh WHERE product IS NOT NULL AND product_name IS NOT NULL GROUP BY product)
         ON CONFLICT DO UPDATE SET name = excluded.name, named_at = excluded.named_at
         WHERE (excluded.named_at, excluded.name) > (products.named_at, products.name)",
    )?;
    Ok(())
}

/// SQL of `moment, action`, `columns` (which may name the dimension), `clicks, quantity, worth`
/// of whole units: one query for each layer.
pub(crate) fn whole_units(
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
    let units = TimeCondition::of("moment", (from, to));
    Layers::NAMES.map(|layer| {
        format!(
            "SELECT moment, action{columns}, clicks, quantity, worth FROM (
                SELECT moment, action{value}, clicks, quantity, worth FROM rollup_{layer}
                WHERE dimension = {} AND grain = {} AND {units})
             WHERE {condition}",
            Literal(name),
            Literal(grain.name()),
        )
    })
}
