//! What is counted of rows, as SQL.

/// Rows that took money: `buy`, and `cancel` with its negative quantities.
pub(crate) const TRADE: &str = "action IN ('buy', 'cancel')";
/// What a row is worth, exact to four places, so that a sum does not depend on its order. A
/// row without a quantity counts one, a worth beyond 14 digits nothing.
pub(crate) const WORTH: &str =
    "coalesce(TRY_CAST(price * coalesce(quantity, 1) AS DECIMAL(18, 4)), 0)";

/// SQL of what is counted of rows. Quantities and worth, in ten-thousandths, are whole numbers in
/// doubles: their sums are exact up to 2⁵³ and overflow nothing, and they are read ten times as
/// fast as wider integers, which DuckDB unpacks one by one.
pub(crate) fn measures() -> String {
    summed("coalesce(quantity, 1)", WORTH)
}

pub(crate) fn summed(quantity: &str, worth: &str) -> String {
    format!(
        "count(*) AS clicks, sum({quantity})::DOUBLE AS quantity,
            round(sum({worth})::DOUBLE * 1e4) AS worth"
    )
}

/// SQL of what was taken, over such sums.
pub(crate) fn revenue() -> String {
    format!("coalesce(sum(worth) FILTER ({TRADE}), 0) / 1e4")
}
